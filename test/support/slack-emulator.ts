import { Server } from 'node:net';
import { type Emulator, createEmulator } from 'emulate';
import { vi } from 'vitest';
import { freePort } from './ports.js';

export interface EmulatedSlack {
  readonly emulator: Emulator;
  /** `slackApiUrl` of the official SDK. */
  readonly apiUrl: string;
}

/** Another project's emulator of Slack's Web API, with what its `seed` holds. It listens on all addresses by itself; here on loopback alone. */
export async function emulateSlack(seed: Readonly<Record<string, unknown>>): Promise<EmulatedSlack> {
  const port = await freePort();
  const held = vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server) {
    held.mockRestore();
    return this.listen(port, '127.0.0.1');
  });
  const emulator = await createEmulator({ service: 'slack', port, seed: { slack: seed } });
  return { emulator, apiUrl: `http://127.0.0.1:${port}/api/` };
}
