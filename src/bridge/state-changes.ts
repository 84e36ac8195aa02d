import { cleanLine } from '../message/index.js';
import type { Abilities } from '../platform/port.js';
import { type Pdu, membershipOf, parseUserId, serverOfUser } from '../protocol/index.js';
import type { Operation } from './operations.js';
import { personOf } from './state-notices.js';

/** More of a topic is nobody's topic. */
const MAX_TOPIC = 1_000;

/**
 * What a change of the room's state changes in the channel itself, where the chat can: its topic, and who of other companies is there.
 * A notice tells it too. A channel keeps its name, which is its company's. `before`: the event that it replaces.
 */
export function stateChanges(event: Pdu, before: Pdu | undefined, can: Abilities, serverName: string): Operation[] {
  if (event.type === 'm.room.member') return can.showMember === undefined ? [] : members(event, before, serverName);
  if (event.type !== 'm.room.topic' || can.setTopic === undefined) return [];
  const [topic, earlier] = [topicOf(event), topicOf(before)];
  return topic === earlier || serverOfUser(event.sender) === serverName ? [] : [{ kind: 'topic', topic }];
}

const topicOf = (event: Pdu | undefined): string =>
  typeof event?.content.topic === 'string' ? cleanLine(event.content.topic, MAX_TOPIC) : '';

function members(event: Pdu, before: Pdu | undefined, serverName: string): Operation[] {
  const id = parseUserId(event.state_key);
  if (id === undefined || serverOfUser(id) === serverName) return [];
  const [was, is] = [before !== undefined && membershipOf(before) === 'join', membershipOf(event) === 'join'];
  if (was === is) return [];
  const member = personOf(id, event.content.displayname ?? before?.content.displayname);
  return [{ kind: 'member', member, change: is ? 'join' : 'leave' }];
}
