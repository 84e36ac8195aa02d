import type { Abilities, Ability, CapabilityDocument } from '../port.js';
import { fields } from './http-answers.js';

const DEFAULT_MAX_TEXT_BYTES = 16_384;
const DEFAULT_MAX_FILE_BYTES = 50 * 1024 * 1024;

/** The contract's names of abilities. */
const ABILITIES: readonly [word: string, ability: Ability][] = [
  ['edit', 'edit'],
  ['delete', 'delete'],
  ['react', 'react'],
  ['show_member', 'showMember'],
  ['topic', 'setTopic'],
  ['rename', 'rename'],
  ['typing', 'showTyping'],
  ['read', 'showRead'],
  ['attachments', 'openFile'],
  ['history', 'history'],
  ['members', 'members'],
  ['conversations', 'openConversation'],
];

/** What a chat says of itself; one of contract 1.0 takes plain text and posts. Throws MalformedAnswer. */
export function capabilitiesOf(answer: unknown, workspace: string): CapabilityDocument {
  const { capabilities: said, limits = {} } = fields(answer, 'the answer');
  const can = fields(said, 'capabilities');
  const { max_text_bytes: maxText, max_file_bytes: maxFile } = fields(limits, 'limits');
  return {
    platform: 'http',
    workspace,
    abilities: ABILITIES.flatMap(([word, ability]) => (can[word] === true ? [ability] : [])),
    privateNotices: can.private_notices === true,
    richText: can.rich_text === true,
    threads: can.threads === true,
    replies: can.replies === true,
    attachments: can.attachments === true,
    actions: can.actions === true,
    personalReactions: can.personal_reactions === true,
    customEmoji: false,
    maxTextBytes: positive(maxText) ?? DEFAULT_MAX_TEXT_BYTES,
    maxFileBytes: can.attachments === true ? (positive(maxFile) ?? DEFAULT_MAX_FILE_BYTES) : 0,
  };
}

/** Of all that the adapter could do, what the chat can. */
export function ablest(all: Required<Abilities>, { abilities }: CapabilityDocument): Abilities {
  return Object.fromEntries(abilities.map((ability) => [ability, all[ability]]));
}

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;
