import { createHmac } from 'node:crypto';

/** X-Slack-Signature of a raw body (docs.slack.dev/authentication/verifying-requests-from-slack); `timestamp` in s. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${body}`).digest('hex')}`;
