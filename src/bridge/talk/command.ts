import { matrixTarget } from '../../message/index.js';
import {
  type RoomAlias,
  type RoomId,
  type ServerName,
  type UserId,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
} from '../../protocol/index.js';

/** What somebody asks the gateway for: `/causeway …`. */
export type Command =
  | { name: 'help' | 'who' | 'status' | 'leave' | 'unmap' | 'pause' | 'resume' }
  | { name: 'invite' | 'dm'; users: UserId[] }
  | { name: 'join'; room: RoomId | RoomAlias }
  /** Without a room: a new one. `history`: so many of the last messages come into it. */
  | { name: 'map'; room: RoomId | RoomAlias | undefined; history: number }
  | { name: 'knock'; room: RoomId | RoomAlias; reason: string | undefined }
  | { name: 'search'; target: RoomAlias | ServerName }
  /** `invite`: its number; undefined: the only one. */
  | { name: 'accept' | 'decline'; invite: number | undefined }
  | { name: 'approve' | 'deny'; user: UserId };

export type CommandName = Command['name'];
export type CommandOf<N extends CommandName> = Extract<Command, { name: N }>;

export type ParsedCommand = { ok: true; command: Command } | { ok: false; problem: string };

interface CommandManual {
  name: CommandName;
  /** What stands behind the name. */
  takes: string;
  about: string;
  /** Only for those whom the configuration names. */
  owners?: true;
}

const MAX_TEXT = 2_000;
/** Each is a request to another server, one after the other. */
export const MAX_PEOPLE = 20;
const MAX_REASON = 500;
const MAX_HISTORY = 500;

/** In the order of the help. */
export const COMMANDS: readonly CommandManual[] = [
  { name: 'help', takes: '', about: 'what you can ask for' },
  { name: 'who', takes: '', about: 'who of which company is in this conversation' },
  { name: 'status', takes: '', about: 'where this channel is shared, what waits, and your open invites' },
  { name: 'invite', takes: '@user:server …', about: 'invite people of other companies into this channel' },
  { name: 'dm', takes: '@user:server …', about: 'start a conversation with one person, or with several' },
  { name: 'accept', takes: '[number]', about: 'accept an invite' },
  { name: 'decline', takes: '[number]', about: 'decline an invite' },
  { name: 'join', takes: '!room:server or #name:server', about: 'join a room of another company' },
  { name: 'leave', takes: '', about: 'leave the conversation of this channel; what you write later takes you back' },
  { name: 'knock', takes: '!room:server or #name:server [why]', about: 'ask to be let into a room' },
  { name: 'approve', takes: '@user:server', about: 'let somebody in who has knocked' },
  { name: 'deny', takes: '@user:server', about: 'turn somebody away who has knocked' },
  {
    name: 'search',
    takes: '#name:server or server',
    about: 'find a room by its name, or what you share with a company',
  },
  {
    name: 'map',
    takes: '[!room:server or #name:server] [history 100]',
    about: 'share this channel, with so much of what was said',
    owners: true,
  },
  { name: 'unmap', takes: '', about: 'share it no more', owners: true },
  { name: 'pause', takes: '', about: 'carry nothing until it is resumed', owners: true },
  { name: 'resume', takes: '', about: 'carry again, also what came meanwhile', owners: true },
];

/** Reads what stands behind `/causeway`. Names of commands may be in any case; what is wrong is said in one sentence. */
export function parseCommand(text: string): ParsedCommand {
  if (text.length > MAX_TEXT) return wrong('That is too long for a command.');
  const words = text.split(/\s+/).filter((word) => word !== '');
  const [first = 'help', ...others] = words;
  const name = first.toLowerCase().replace(/^\//, '');
  const manual = COMMANDS.find((each) => each.name === name);
  if (manual === undefined) return wrong(`There is no command “${first.slice(0, 30)}”. Try “help”.`);
  return read(manual, others.map(bare));
}

function read(manual: CommandManual, words: readonly string[]): ParsedCommand {
  const { name } = manual;
  switch (name) {
    case 'help':
    case 'who':
    case 'status':
    case 'leave':
    case 'unmap':
    case 'pause':
    case 'resume':
      return right({ name });
    case 'invite':
    case 'dm':
      return withPeople(manual, name, words);
    case 'approve':
    case 'deny': {
      const user = userOf(words[0]);
      return user === undefined ? usage(manual) : right({ name, user });
    }
    case 'join': {
      const room = roomOf(words[0]);
      return room === undefined ? usage(manual) : right({ name, room });
    }
    case 'map': {
      const at = words.findIndex((word) => word.toLowerCase() === 'history');
      const [roomWords, depth] = at < 0 ? [words, '0'] : [words.slice(0, at), words[at + 1] ?? ''];
      const room = roomOf(roomWords[0]);
      const history = /^[0-9]{1,3}$/.test(depth) ? Number(depth) : Infinity;
      if (history > MAX_HISTORY) return wrong(`“history” takes a number up to ${String(MAX_HISTORY)}.`);
      return room === undefined && roomWords.length > 0 ? usage(manual) : right({ name, room, history });
    }
    case 'knock': {
      const room = roomOf(words[0]);
      const reason = words.slice(1).join(' ').slice(0, MAX_REASON);
      return room === undefined ? usage(manual) : right({ name, room, reason: reason === '' ? undefined : reason });
    }
    case 'search': {
      const target = parseRoomAlias(words[0]) ?? parseServerName(words[0]?.toLowerCase());
      return target === undefined ? usage(manual) : right({ name, target });
    }
    case 'accept':
    case 'decline': {
      const [digits] = words;
      if (digits === undefined) return right({ name, invite: undefined });
      return /^[0-9]{1,9}$/.test(digits) ? right({ name, invite: Number(digits) }) : usage(manual);
    }
  }
}

function withPeople(manual: CommandManual, name: 'invite' | 'dm', words: readonly string[]): ParsedCommand {
  if (words.length === 0) return usage(manual);
  if (words.length > MAX_PEOPLE) return wrong(`At most ${String(MAX_PEOPLE)} people at once.`);
  const users: UserId[] = [];
  for (const word of words) {
    const user = userOf(word);
    if (user === undefined)
      return wrong(`“${word.slice(0, 80)}” is nobody’s address: it looks like @grace:globex.example.`);
    if (!users.includes(user)) users.push(user);
  }
  return right({ name, users });
}

/** Chats put brackets around what they take for a link, people write commas. */
function bare(word: string): string {
  const [, target = word] = /^<([^|>]*)(?:\|[^>]*)?>$/.exec(word) ?? [];
  return target.replace(/^[`'"(]+/, '').replace(/[`'"),;]+$/, '');
}

function userOf(word: string | undefined): UserId | undefined {
  if (word === undefined) return undefined;
  const target = matrixTarget(word);
  if (target?.kind === 'user') return target.userId;
  const id = word.startsWith('@') ? word : `@${word}`;
  return parseUserId(id) ?? parseUserId(id.toLowerCase());
}

function roomOf(word: string | undefined): RoomId | RoomAlias | undefined {
  const target = word === undefined ? undefined : matrixTarget(word);
  const id = target?.kind === 'room' ? target.room : word;
  return parseRoomId(id) ?? parseRoomAlias(id);
}

const right = (command: Command): ParsedCommand => ({ ok: true, command });
const wrong = (problem: string): ParsedCommand => ({ ok: false, problem });
const usage = ({ name, takes }: CommandManual): ParsedCommand => wrong(`It is: ${name} ${takes}`);

/** What `help` answers. `owner`: with what is for owners of channels alone. */
export function helpText(owner: boolean): string {
  const lines = COMMANDS.filter(({ owners }) => owner || owners === undefined).map(
    ({ name, takes, about }) => `${takes === '' ? name : `${name} ${takes}`} – ${about}`,
  );
  return `Write /causeway (or mention me), and behind it:\n${lines.join('\n')}`;
}
