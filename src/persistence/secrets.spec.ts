import { afterEach, describe, expect, it } from 'vitest';
import { type TestGateway, startGateway } from '../../test/support/gateway.js';
import { SecretEntity } from './entities/index.js';
import { Secrets } from './secrets.js';

let gateway: TestGateway | undefined;

afterEach(async () => {
  await gateway?.close();
});

const start = async (secret: string | undefined, directory?: string): Promise<Secrets> => {
  gateway = await startGateway(
    'acme.example',
    {},
    {
      ...(directory === undefined ? {} : { directory }),
      env: secret === undefined ? {} : { CAUSEWAY_SIGNING_KEY_SECRET: secret },
    },
  );
  return gateway.app.get(Secrets);
};

describe('a secret that comes while the gateway runs', () => {
  it('is read as it was written last', async () => {
    const secrets = await start(undefined);
    expect(await secrets.read('slack/acme')).toBeUndefined();
    await secrets.write('slack/acme', 'one');
    await secrets.write('slack/acme', 'two €');
    expect(await secrets.read('slack/acme')).toBe('two €');
  });

  it('is sealed with SIGNING_KEY_SECRET', async () => {
    const secrets = await start('a-secret-of-the-tests');
    await secrets.write('slack/acme', 'xoxb-1');
    expect(await secrets.read('slack/acme')).toBe('xoxb-1');
    const row = await gateway?.database.read.findOneByOrFail(SecretEntity, { name: 'slack/acme' });
    expect(row?.value).toMatch(/^v1:/);
    expect(Buffer.from(row?.value ?? '', 'base64').includes('xoxb')).toBe(false);
  });

  it('is changed by one at a time', async () => {
    const secrets = await start(undefined);
    await secrets.write('n', '0');
    const { signal } = new AbortController();
    const add = (): Promise<void> =>
      secrets.exclusively('n', signal, async () => {
        const before = Number(await secrets.read('n'));
        await secrets.write('n', String(before + 1));
      });
    await Promise.all([add(), add(), add()]);
    expect(await secrets.read('n')).toBe('3');
  });
});
