import type { Emulator } from 'emulate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emulateSlack } from '../../support/slack-emulator.js';
import { until } from '../../support/until.js';
import { type Json, isJson, textOf } from './model.js';
import { ALL_SCOPES } from './methods-table.js';
import { FakeSlack, type FakeTeam } from './slack.js';

/** One Slack of the two: what its answers call its ids is learnt as the script goes. */
interface Side {
  readonly api: string;
  readonly token: string;
  readonly known: Map<string, string>;
}

/** Where the two differ, and why ours stands. */
const DIFFERENCES: readonly (readonly [RegExp, string])[] = [
  [/^auth\.test \.user:/, 'there a person holds the token, here an app'],
  [/\.profile\.image_(48|192):/, 'there nobody has a picture'],
  [/\.channel\.purpose\.creator:/, 'nobody has set the purpose; the sample of conversations.create has a blank'],
  [
    /^conversations\.kick again: not_in_channel and user_not_in_channel/,
    'docs.slack.dev/reference/methods/conversations.kick',
  ],
  [
    /^chat\.postMessage with wrong blocks: invalid_blocks_format and/,
    'docs.slack.dev/reference/methods/chat.postMessage',
  ],
  [/^conversations\.history \.response_metadata\.next_cursor:/, 'a cursor is opaque'],
  [/\.edited\.user: B\w+ and \{me\}/, 'the samples of chat.update and history have the bot’s id'],
  [/\.filetype: text and txt/, 'docs.slack.dev/reference/objects/file-object: Plain Text is `text`'],
  [/^files\.completeUploadExternal \.files\[0\]\.(is_public|channels)/, 'Slack shares the file after the answer'],
];

interface Step {
  readonly name: string;
  readonly method: string;
  /** Arguments with the other steps' ids in `{braces}`. */
  readonly args?: Readonly<Record<string, string>>;
  /** What the answer's values are called from now on: name by path. */
  readonly learn?: Readonly<Record<string, string>>;
}

const step = (name: string, args?: Step['args'], learn?: Step['learn']): Step => ({
  name,
  method: name.split(' ')[0] ?? '',
  ...(args === undefined ? {} : { args }),
  ...(learn === undefined ? {} : { learn }),
});

const SCRIPT: readonly Step[] = [
  step('auth.test', {}, { me: 'user_id', team: 'team_id' }),
  step('users.lookupByEmail', { email: 'grace@acme.example' }, { grace: 'user.id' }),
  step('users.lookupByEmail of nobody', { email: 'nobody@acme.example' }),
  step('users.info', { user: '{grace}' }),
  step('users.info of nobody', { user: 'U0' }),
  step('conversations.create', { name: 'script' }, { channel: 'channel.id' }),
  step('conversations.create again', { name: 'script' }),
  step('conversations.info', { channel: '{channel}' }),
  step('conversations.info of none', { channel: 'C0' }),
  step('conversations.setTopic', { channel: '{channel}', topic: 'a topic' }),
  step('conversations.setTopic too long', { channel: '{channel}', topic: 'x'.repeat(251) }),
  step('conversations.invite', { channel: '{channel}', users: '{grace}' }),
  step('conversations.invite again', { channel: '{channel}', users: '{grace}' }),
  step('conversations.members', { channel: '{channel}' }),
  step('conversations.kick', { channel: '{channel}', user: '{grace}' }),
  step('conversations.kick again', { channel: '{channel}', user: '{grace}' }),
  step('chat.postMessage', { channel: '{channel}', text: 'one' }, { one: 'ts' }),
  step('chat.postMessage without words', { channel: '{channel}', text: '' }),
  step('chat.postMessage to none', { channel: 'C0', text: 'x' }),
  step('chat.postMessage in a thread', { channel: '{channel}', text: 'two', thread_ts: '{one}' }, { two: 'ts' }),
  step('chat.postMessage with wrong blocks', { channel: '{channel}', text: 'x', blocks: '{"type":"section"}' }),
  step('chat.postEphemeral to one outside', { channel: '{channel}', user: '{grace}', text: 'x' }),
  step('conversations.history', { channel: '{channel}', limit: '1' }),
  step('conversations.history of none', { channel: 'C0' }),
  step('conversations.replies', { channel: '{channel}', ts: '{one}' }),
  step('chat.update', { channel: '{channel}', ts: '{one}', text: 'changed' }),
  step('chat.update of none', { channel: '{channel}', ts: '1600000000.000001', text: 'x' }),
  step('chat.getPermalink of none', { channel: '{channel}', message_ts: '1600000000.000001' }),
  step('reactions.add', { channel: '{channel}', timestamp: '{one}', name: 'tada' }),
  step('reactions.add again', { channel: '{channel}', timestamp: '{one}', name: 'tada' }),
  step('reactions.add to none', { channel: '{channel}', timestamp: '1600000000.000001', name: 'tada' }),
  step('reactions.get', { channel: '{channel}', timestamp: '{one}' }),
  step('reactions.remove', { channel: '{channel}', timestamp: '{one}', name: 'tada' }),
  step('reactions.remove again', { channel: '{channel}', timestamp: '{one}', name: 'tada' }),
  step('pins.add', { channel: '{channel}', timestamp: '{one}' }),
  step('pins.add again', { channel: '{channel}', timestamp: '{one}' }),
  step('pins.list', { channel: '{channel}' }),
  step('pins.remove', { channel: '{channel}', timestamp: '{one}' }),
  step('pins.remove again', { channel: '{channel}', timestamp: '{one}' }),
  step('files.getUploadURLExternal', { filename: 'a.txt', length: '5' }, { file: 'file_id', upload: 'upload_url' }),
  step('files.completeUploadExternal', { files: '[{"id":"{file}","title":"A"}]', channel_id: '{channel}' }),
  step('files.info', { file: '{file}' }),
  step('files.info of none', { file: 'F0' }),
  step('files.delete', { file: '{file}' }),
  step('chat.delete', { channel: '{channel}', ts: '{two}' }),
  step('chat.delete again', { channel: '{channel}', ts: '{two}' }),
  step('conversations.open', { users: '{grace}' }, { direct: 'channel.id' }),
  step('conversations.open again', { users: '{grace}' }),
  step('conversations.rename', { channel: '{channel}', name: 'renamed' }),
  step('conversations.archive', { channel: '{channel}' }),
  step('conversations.archive again', { channel: '{channel}' }),
  step('chat.postMessage to an archived channel', { channel: '{channel}', text: 'x' }),
];

/** The value under a path of names. */
const under = (json: Json, path: string): string =>
  textOf(path.split('.').reduce<unknown>((value, name) => (isJson(value) ? value[name] : undefined), json));

async function play(side: Side, { method, args = {}, learn = {} }: Step): Promise<Json> {
  const filled = Object.entries(args).map(([name, value]): [string, string] => [
    name,
    value.replaceAll(/\{(\w+)\}/g, (all, known: string) => side.known.get(known) ?? all),
  ]);
  const response = await fetch(`${side.api}${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${side.token}` },
    body: new URLSearchParams(filled),
  });
  const json: unknown = await response.json();
  if (!isJson(json)) throw new Error(`${method} answered no object`);
  for (const [name, path] of Object.entries(learn)) side.known.set(name, under(json, path));
  if ('upload' in learn) await fetch(side.known.get('upload') ?? '', { method: 'POST', body: 'hello' });
  return json;
}

/** What both have and say differently; ids by what the script calls them, times and addresses by their type alone. */
function disagreements(ours: unknown, theirs: unknown, sides: readonly [Side, Side], at = ''): string[] {
  if (isJson(ours) && isJson(theirs)) {
    const both = Object.keys(ours).filter((name) => name in theirs);
    return both.flatMap((name) => disagreements(ours[name], theirs[name], sides, `${at}.${name}`));
  }
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    if (ours.length !== theirs.length) return [at];
    return ours.flatMap((each, index) => disagreements(each, theirs[index], sides, `${at}[${index}]`));
  }
  const [a, b] = [told(ours, sides[0]), told(theirs, sides[1])];
  return a === b ? [] : [`${at}: ${a} and ${b}`];
}

function told(value: unknown, { known }: Side): string {
  for (const [name, id] of known) if (value === id) return `{${name}}`;
  if (typeof value === 'number') return 'a number';
  if (typeof value !== 'string') return JSON.stringify(value) ?? 'nothing';
  if (/^\d{10}\.\d{6}$/.test(value)) return 'a time';
  return /^https?:/.test(value) ? 'an address' : value;
}

let slack: FakeSlack;
let team: FakeTeam;
let emulator: Emulator;
let sides: readonly [Side, Side];

beforeAll(async () => {
  slack = await FakeSlack.start({ scale: 0.01 });
  team = slack.addTeam('acme', 'Acme');
  for (const name of ['ada', 'grace'])
    team.workspace.addUser({ name, displayName: name, email: `${name}@acme.example` });
  const users = ['ada', 'grace'].map((name) => ({ name, email: `${name}@acme.example` }));
  const tokens = [{ token: 'xoxb-script', user: 'ada', scopes: [...ALL_SCOPES] }];
  const emulated = await emulateSlack({ team: { name: 'Acme' }, users, tokens });
  emulator = emulated.emulator;
  sides = [
    { api: slack.apiUrl, token: team.botToken, known: new Map() },
    { api: emulated.apiUrl, token: 'xoxb-script', known: new Map() },
  ];
});

afterAll(async () => {
  await slack.close();
  await emulator.close();
});

function fileIsShared(): boolean {
  return [...team.workspace.files.values()].every((file) => file.shares.length > 0);
}

describe('the fake and another emulator of Slack', () => {
  it('answer the same script alike', async () => {
    const found: string[] = [];
    for (const one of SCRIPT) {
      const [ours, theirs] = [await play(sides[0], one), await play(sides[1], one)];
      // The fake shares a file after its answer, as Slack does.
      if (one.method === 'files.completeUploadExternal') await until('the file is shared', fileIsShared);
      const outcome = (json: Json): string => (json.ok === true ? 'ok' : textOf(json.error));
      if (outcome(ours) !== outcome(theirs)) found.push(`${one.name}: ${outcome(ours)} and ${outcome(theirs)}`);
      else found.push(...disagreements(ours, theirs, sides).map((each) => `${one.name} ${each}`));
    }
    expect(found.filter((each) => !DIFFERENCES.some(([known]) => known.test(each)))).toEqual([]);
    const stale = DIFFERENCES.filter(([known]) => !found.some((each) => known.test(each)));
    expect(stale).toEqual([]);
  });
});
