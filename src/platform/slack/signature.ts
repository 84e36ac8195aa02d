import { createHmac, timingSafeEqual } from 'node:crypto';

/** docs.slack.dev/authentication/verifying-requests-from-slack: older requests may be replayed ones. */
const WINDOW_S = 300;
const TIMESTAMP = /^\d{1,11}$/;

/** Whether Slack signed this body with this secret, at most five minutes ago. `now`: ms since the epoch. */
export function isSigned(
  request: { body: Buffer; timestamp: string | undefined; signature: string | undefined },
  signingSecret: string,
  now: number,
): boolean {
  const { body, timestamp, signature } = request;
  if (timestamp === undefined || signature === undefined || !TIMESTAMP.test(timestamp)) return false;
  if (Math.abs(Math.floor(now / 1_000) - Number(timestamp)) > WINDOW_S) return false;
  const expected = createHmac('sha256', signingSecret).update(`v0:${timestamp}:`).update(body).digest('hex');
  const [theirs, ours] = [Buffer.from(signature), Buffer.from(`v0=${expected}`)];
  return theirs.length === ours.length && timingSafeEqual(theirs, ours);
}
