import { describe, expect, it } from 'vitest';
import { parseUserId } from '../protocol/index.js';
import { startGateway } from '../../test/support/gateway.js';
import { UserMappings, localpartFrom } from './user-mappings.js';

describe('a localpart', () => {
  // proves LM-04/user-id/1, 3
  it.each([
    ['Ada.Lovelace', 'ada.lovelace'],
    ['Zoë Müller', 'zoe_muller'],
    ['  ', 'user'],
    ['😀', 'user'],
    ['地', 'user'],
    ['@ada:evil.example', 'ada_evil.example'],
    ['x'.repeat(300), 'x'.repeat(40)],
  ])('of %j fits the grammar', (username, localpart) => {
    expect(localpartFrom(username, 40)).toBe(localpart);
    expect(parseUserId(`@${localpart}:acme.example`)).toBeDefined();
  });
});

describe('a person of the chat', () => {
  const chat = { platform: 'http', workspace: 'acme' };

  // proves LM-04/user-id/1, 5
  it('has one user for good, through renames, and nobody else ever gets it', async () => {
    const gateway = await startGateway('acme.example', {});
    const users = gateway.app.get(UserMappings);
    const named = (id: string, username: string) => users.ensure(chat, { id, username, displayName: username });
    const ada = await named('1', 'ada');
    expect(ada).toBe('@ada:acme.example');
    expect(await named('1', 'lovelace')).toBe(ada);
    expect(await named('2', 'ada')).toBe('@ada-2:acme.example');
    expect(await named('3', 'Ada')).toBe('@ada-3:acme.example');
    expect(await named('4', 'causeway')).toBe('@causeway-2:acme.example'); // the first is the gateway's own
    expect((await named('5', 'y'.repeat(300))).length).toBeLessThanOrEqual(255);
    await gateway.close();
  });
});
