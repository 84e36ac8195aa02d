import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isSigned } from '../../../src/platform/slack/signature.js';
import { vectors } from '../../conformance/vectors.js';

interface SignatureCase {
  id: string;
  secret: string;
  timestamp: string | null;
  now: number | string;
  body: string;
  signature: string | null;
  valid: boolean;
}

const { request_signatures: cases } = vectors<{ request_signatures: SignatureCase[] }>('slack/slack-cases.json');

describe('the signature of a request of Slack', () => {
  it.each(cases)(
    'is judged as Slack’s own libraries judge it: $id',
    ({ body, timestamp, signature, secret, now, valid }) => {
      const request = { body: Buffer.from(body), timestamp: timestamp ?? undefined, signature: signature ?? undefined };
      expect(isSigned(request, secret, typeof now === 'number' ? now * 1_000 : Date.now())).toBe(valid);
    },
  );

  const signed = (at: number, body: Buffer): { body: Buffer; timestamp: string; signature: string } => {
    const mac = createHmac('sha256', 's')
      .update(`v0:${String(at)}:`)
      .update(body)
      .digest('hex');
    return { body, timestamp: String(at), signature: `v0=${mac}` };
  };

  it('holds for five minutes, in both directions of a wrong clock', () => {
    const at = 1_700_000_000;
    const request = signed(at, Buffer.from('x'));
    expect(isSigned(request, 's', (at + 300) * 1_000)).toBe(true);
    expect(isSigned(request, 's', (at - 300) * 1_000)).toBe(true);
    expect(isSigned(request, 's', (at + 301) * 1_000)).toBe(false);
    expect(isSigned(request, 's', (at - 301) * 1_000)).toBe(false);
  });

  it('is over the bytes, not over what they are as text', () => {
    const request = signed(1_700_000_000, Buffer.from([0xff, 0xfe]));
    expect(isSigned(request, 's', 1_700_000_000_000)).toBe(true);
    expect(isSigned({ ...request, body: Buffer.from('\ufffd\ufffd') }, 's', 1_700_000_000_000)).toBe(false);
  });
});
