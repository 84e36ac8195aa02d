import { cleanLine, displayName } from '../message/index.js';
import type { MessageAction, OutboundMessage, RemoteAuthor } from '../platform/port.js';
import { type Pdu, type UserId, localpartOf, membershipOf, parseUserId, serverOfUser } from '../protocol/index.js';
import { excerpt, named, notice } from './fallbacks.js';

const MAX_REASON = 200;
/** Chats bound what comes back with a button; a longer address can be written. */
const MAX_ACTION_ID = 200;

interface Context {
  sender: RemoteAuthor;
  /** Ours. */
  serverName: string;
}

/** What people are told of a change of the room's state; `before`: the event that it replaces. Undefined: nothing. */
export function stateNotice(event: Pdu, before: Pdu | undefined, context: Context): OutboundMessage | undefined {
  switch (event.type) {
    case 'm.room.member':
      return membershipNotice(event, before, context);
    case 'm.room.name':
      return changeNotice(event, before, context, { what: 'the name', field: 'name' });
    case 'm.room.topic':
      return changeNotice(event, before, context, { what: 'the topic', field: 'topic' });
    default:
      return undefined;
  }
}

/** People of other companies who come and go; our own are seen natively. */
function membershipNotice(
  event: Pdu,
  before: Pdu | undefined,
  { sender, serverName }: Context,
): OutboundMessage | undefined {
  const member = parseUserId(event.state_key);
  const [membership, earlier] = [membershipOf(event), before === undefined ? undefined : membershipOf(before)];
  if (member === undefined || serverOfUser(member) === serverName || membership === earlier) return undefined;
  const who = named(personOf(member, event.content.displayname ?? before?.content.displayname));
  if (membership === 'join') return notice(`${who} joined.`);
  if (membership === 'knock') return knockNotice(member, who, event.content.reason);
  if (earlier !== 'join') return undefined;
  return notice(event.sender === member ? `${who} left.` : `${who} was removed by ${named(sender)}.`);
}

/** Where there are no buttons, the words say what can be written. */
function knockNotice(member: UserId, who: string, reason: unknown): OutboundMessage {
  const why = typeof reason === 'string' ? cleanLine(reason, MAX_REASON) : '';
  const text = `${who} asks to be let in${why === '' ? '' : `: “${why}”`}. Answer with “/causeway approve ${member}” or “/causeway deny ${member}”.`;
  const actions: MessageAction[] = [
    { id: `approve ${member}`, label: 'Let in', style: 'primary' },
    { id: `deny ${member}`, label: 'Turn away', style: 'danger' },
  ];
  return actions.some(({ id }) => id.length > MAX_ACTION_ID) ? notice(text) : { ...notice(text), actions };
}

/** As their membership names them. */
export const personOf = (id: UserId, name: unknown): RemoteAuthor => ({
  id,
  displayName: displayName(name) ?? localpartOf(id),
  server: serverOfUser(id),
});

/** Changes by people here are seen natively; what stands in the room from its beginning is no change. */
function changeNotice(
  { content, sender: id }: Pdu,
  before: Pdu | undefined,
  { sender, serverName }: Context,
  { what, field }: { what: string; field: 'name' | 'topic' },
): OutboundMessage | undefined {
  const value = content[field];
  if (serverOfUser(id) === serverName || before === undefined || value === before.content[field]) return undefined;
  if (typeof value !== 'string' || value === '') return notice(`${named(sender)} removed ${what} of the room.`);
  return notice(`${named(sender)} changed ${what} of the room to “${excerpt(value, 200)}”.`);
}
