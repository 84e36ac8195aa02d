import { type Chat, startChat } from './server.js';
import { readSettings } from './settings.js';

async function start(): Promise<Chat> {
  const settings = readSettings(process.env);
  try {
    return await startChat(settings);
  } catch (error) {
    const variable = isListenError(error) ? 'CHAT_HOST and CHAT_PORT' : 'CHAT_DATABASE';
    throw new Error(`${variable} cannot be used: ${describe(error)}`, { cause: error });
  }
}

function isListenError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && ['listen', 'getaddrinfo'].includes(String(error.syscall));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

try {
  const chat = await start();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void chat.close());
  }
  console.log(`listening on ${chat.url}`);
} catch (error) {
  console.error(describe(error));
  process.exitCode = 1;
}
