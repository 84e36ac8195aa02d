import { randomUUID } from 'node:crypto';
import type { FakeClock } from './clock.js';
import { ACK_MS, type Attempt, type Delivery, RETRIES_MS, type Timers, type Transport } from './deliveries.js';
import { type Json, isJson } from './model.js';
import { signatureOf } from './signature.js';

export interface Addresses {
  events: string;
  commands: string;
  interactivity: string;
}

interface Answer {
  status: number;
  noRetry: boolean;
  body: string;
}

/** Slack's requests to the app over HTTP: signed over the raw body, 3 s to answer, three retries. */
export class EventsApi implements Transport {
  private readonly calls = new Set<AbortController>();

  constructor(
    private readonly addresses: Addresses,
    private readonly signingSecret: string,
    private readonly verificationToken: string,
    private readonly clock: FakeClock,
    private readonly timers: Timers,
  ) {}

  /** What Slack does when the address is entered: the app must give the challenge back. */
  async verifyAddress(): Promise<boolean> {
    const challenge = randomUUID();
    const body = JSON.stringify({ token: this.verificationToken, challenge, type: 'url_verification' });
    const answer = await this.call(this.addresses.events, body, 'application/json', {});
    if (answer.status !== 200) return false;
    if (answer.body.trim() === challenge) return true;
    const json = parsed(answer.body) ?? Object.fromEntries(new URLSearchParams(answer.body));
    return json.challenge === challenge;
  }

  deliver(delivery: Delivery): void {
    void this.attempt(delivery, 0, '');
  }

  close(): void {
    for (const call of this.calls) call.abort();
  }

  private async attempt(delivery: Delivery, retry: number, reason: string): Promise<void> {
    const attempt: Attempt = { at: Date.now(), retry, reason, outcome: 'pending' };
    delivery.attempts.push(attempt);
    const headers: Record<string, string> =
      retry === 0 ? {} : { 'X-Slack-Retry-Num': String(retry), 'X-Slack-Retry-Reason': reason };
    let answer: Answer;
    try {
      answer = await this.send(delivery, headers);
    } catch (error) {
      const timeout = error instanceof Error && error.name === 'AbortError';
      this.failed(delivery, attempt, timeout ? 'http_timeout' : 'connection_failed', false);
      return;
    }
    // Two redirects are followed, so 3xx never comes here.
    if (answer.status < 200 || answer.status > 299) {
      this.failed(delivery, attempt, 'http_error', answer.noRetry);
      return;
    }
    attempt.outcome = 'acknowledged';
    delivery.state = 'acknowledged';
    const json = parsed(answer.body);
    if (json !== undefined && delivery.type !== 'events_api') delivery.answer = json;
    else if (answer.body !== '' && delivery.type === 'slash_commands') delivery.answer = { text: answer.body };
  }

  private send(delivery: Delivery, headers: Record<string, string>): Promise<Answer> {
    if (delivery.type === 'events_api') {
      return this.call(this.addresses.events, JSON.stringify(delivery.payload), 'application/json', headers);
    }
    const form = new URLSearchParams(
      delivery.type === 'interactive'
        ? { payload: JSON.stringify(delivery.payload) }
        : Object.entries(delivery.payload).map(([name, value]): [string, string] => [name, String(value)]),
    );
    const address = delivery.type === 'interactive' ? this.addresses.interactivity : this.addresses.commands;
    return this.call(address, form.toString(), 'application/x-www-form-urlencoded', headers);
  }

  private failed(delivery: Delivery, attempt: Attempt, reason: string, noRetry: boolean): void {
    attempt.outcome = 'failed';
    const wait = RETRIES_MS[attempt.retry];
    if (noRetry || wait === undefined || delivery.type !== 'events_api') {
      delivery.state = 'lost';
      return;
    }
    this.timers.afterRetry(wait, () => void this.attempt(delivery, attempt.retry + 1, reason));
  }

  private async call(address: string, body: string, type: string, headers: Record<string, string>): Promise<Answer> {
    const timestamp = String(Math.floor(this.clock.now() / 1_000));
    const call = new AbortController();
    this.calls.add(call);
    const timer = this.timers.after(ACK_MS, () => call.abort());
    try {
      const response = await fetch(address, {
        method: 'POST',
        body,
        signal: call.signal,
        headers: {
          'content-type': type,
          'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
          'x-slack-request-timestamp': timestamp,
          'x-slack-signature': signatureOf(this.signingSecret, timestamp, body),
          ...headers,
        },
      });
      const noRetry = response.headers.get('x-slack-no-retry') === '1';
      return { status: response.status, noRetry, body: await response.text() };
    } finally {
      this.timers.cancel(timer);
      this.calls.delete(call);
    }
  }
}

function parsed(body: string): Json | undefined {
  try {
    const json: unknown = JSON.parse(body);
    return isJson(json) ? json : undefined;
  } catch {
    return undefined;
  }
}
