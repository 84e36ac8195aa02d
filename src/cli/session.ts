import type { Command } from 'commander';
import { AdminClient, type Answer, type ConnectionOptions, type Method } from './admin-client.js';
import { json } from './output.js';

/** What a command may touch of the world. */
export interface Surroundings {
  env: NodeJS.ProcessEnv;
  directory: string;
  out: (text: string) => void;
  err: (text: string) => void;
}

interface GlobalOptions extends ConnectionOptions {
  json?: boolean;
}

/** A command under way: asks the gateway, and shows what came. */
export class Session {
  constructor(
    readonly surroundings: Surroundings,
    private readonly program: Command,
  ) {}

  /** Throws ConfigurationError or CommandFailure. */
  ask(method: Method, path: string, body?: Answer): Promise<Answer> {
    const { env, directory } = this.surroundings;
    return AdminClient.connect(this.program.opts<GlobalOptions>(), env, directory).request(method, path, body);
  }

  /** `text` is for people; `--json` gets the answer itself. */
  show(answer: Answer, text: (answer: Answer) => string): void {
    this.surroundings.out(this.program.opts<GlobalOptions>().json ? json(answer) : text(answer));
  }
}

/** The fields that were given. */
export function given(fields: Answer): Answer {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** A path of the admin API; its parts may hold anything. */
export const path = (...parts: string[]): string => parts.map(encodeURIComponent).join('/');
