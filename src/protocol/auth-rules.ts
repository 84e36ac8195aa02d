import { type StateEntry, type StateView, authEventKeys } from './auth-events.js';
import { typeFault } from './events.js';
import { type JsonObject, type JsonValue, isJsonObject } from './json.js';
import { PowerLevels } from './power-levels.js';
import { type PowerVerdict, checkPowerLevels } from './power-level-rules.js';

export interface Ruling {
  /** The rule of LM-04 §Auth Rules Algorithm, or a word for one of the profile. */
  rule: string;
  reason: string;
}

/** `dissent`: allowed only because the draft and other servers read the rule differently (profile §2). */
export type AuthVerdict = { allowed: true; rule: string; dissent?: Ruling } | ({ allowed: false } & Ruling);

export interface AuthContext {
  /** Current state, before the event. */
  state: StateView;
  /** What the event's `auth_events` name; rule 4 is skipped when absent (they were selected here). */
  authEvents?: readonly StateEntry[];
  /** A participant judging its hub: rules that servers read differently are told, not enforced. */
  lenient?: boolean;
  /** The version of the room, for rule 3.3. */
  roomVersion: string;
}

/** What is judged: an event before or after it got its `auth_events`. */
export type JudgedEvent = JsonObject;

const allow = (rule: string): AuthVerdict => ({ allowed: true, rule });
const reject = (rule: string, reason: string): AuthVerdict => ({ allowed: false, rule, reason });

/**
 * LM-04 §Auth Rules Algorithm, rules 3 to 10, as settled by profile §2. Rules 1 and 2 are signatures: `checkPduSignatures`.
 */
export function checkAuthRules(event: JudgedEvent, context: AuthContext): AuthVerdict {
  const fault = typeFault(event);
  if (fault !== undefined && event.type !== 'm.room.member') return reject('schema', fault);
  if (event.type === 'm.room.create') return checkCreate(event, context);
  const missing = checkAuthEvents(event, context);
  if (missing !== undefined) return missing;
  const create = context.state.get('m.room.create', '');
  if (create === undefined) return reject('4.3', 'the room has no m.room.create');
  const judge = new Judge(event, create, context);
  return judge.foreign() ?? (event.type === 'm.room.member' ? judge.member() : judge.other());
}

function checkCreate(event: JudgedEvent, { roomVersion }: AuthContext): AuthVerdict {
  if (Array.isArray(event.prev_events) && event.prev_events.length > 0)
    return reject('3.1', 'm.room.create has prev_events');
  // LM-04 §m.room.create; the rules name prev_events alone.
  if (Array.isArray(event.auth_events) && event.auth_events.length > 0)
    return reject('schema', 'm.room.create has auth_events');
  if (serverPart(event.room_id) !== serverPart(event.sender)) return reject('3.2', 'the room id is of another server');
  const version = isJsonObject(event.content) ? event.content.room_version : undefined;
  if (version !== roomVersion) return reject('3.3', `the room version is not ${roomVersion}`);
  return allow('3.4');
}

function checkAuthEvents(event: JudgedEvent, { authEvents }: AuthContext): AuthVerdict | undefined {
  if (authEvents === undefined) return undefined;
  const seen = new Set<string>();
  const selected = new Set(authEventKeys(event).map(([type, key]) => `${type}\u0000${key}`));
  for (const { event: named } of authEvents) {
    const key = `${String(named.type)}\u0000${String(named.state_key)}`;
    if (seen.has(key)) return reject('4.1', `auth_events name ${String(named.type)} twice`);
    if (!selected.has(key)) return reject('4.2', `auth_events name ${String(named.type)}, which does not count`);
    seen.add(key);
  }
  return seen.has('m.room.create\u0000') ? undefined : reject('4.3', 'auth_events do not name m.room.create');
}

class Judge {
  private readonly sender: string;
  private readonly content: JsonObject;
  private readonly levels: PowerLevels;
  private readonly state: StateView;

  constructor(
    private readonly event: JudgedEvent,
    private readonly create: StateEntry,
    private readonly context: AuthContext,
  ) {
    this.state = context.state;
    this.sender = String(event.sender);
    this.content = isJsonObject(event.content) ? event.content : {};
    this.levels = new PowerLevels(this.contentOf('m.room.power_levels'), text(create.event.sender));
  }

  /** Profile §2: a room that is not federated takes no foreign senders. */
  foreign(): AuthVerdict | undefined {
    const creation = isJsonObject(this.create.event.content) ? this.create.event.content : {};
    if (creation['m.federate'] !== false) return undefined;
    return serverPart(this.sender) === serverPart(this.create.event.sender)
      ? undefined
      : reject('m.federate', 'the room is closed to other servers');
  }

  /** Rule 5. */
  member(): AuthVerdict {
    const target = text(this.event.state_key);
    const membership = text(this.content.membership);
    if (target === undefined || membership === undefined) return reject('5.1', 'no state_key or no membership');
    if (typeFault(this.event) !== undefined) return reject('schema', 'the state_key is no user id');
    switch (membership) {
      case 'join':
        return this.join(target);
      case 'invite':
        return this.invite(target);
      case 'leave':
        return this.leave(target);
      case 'ban':
        return this.ban(target);
      case 'knock':
        return this.knock(target);
      default:
        return reject('5.7', 'the membership is unknown');
    }
  }

  /** Rules 6 to 10. */
  other(): AuthVerdict {
    const { event, sender } = this;
    const isState = event.state_key !== undefined;
    if (this.membershipOf(sender) !== 'join') return reject('6', `${sender} is not in the room`);
    if (this.levels.toSend(String(event.type), isState) > this.levels.of(sender)) {
      return reject('7', `${sender} may not send ${String(event.type)}`);
    }
    if (typeof event.state_key === 'string' && event.state_key.startsWith('@') && event.state_key !== sender) {
      return reject('8', 'the state_key is another user');
    }
    if (event.type !== 'm.room.power_levels') return allow('10');
    return this.ruled(
      checkPowerLevels(this.content, this.contentOf('m.room.power_levels'), sender, this.levels.of(sender)),
    );
  }

  private join(target: string): AuthVerdict {
    const { sender } = this;
    const previous = Array.isArray(this.event.prev_events) ? this.event.prev_events : [];
    const afterCreate = previous.length === 1 && previous[0] === this.create.eventId;
    // Profile §2: the first join is the creator's own.
    if (afterCreate && sender === target && target === this.create.event.sender) return allow('5.2.1');
    if (sender !== target) return reject('5.2.2', 'nobody joins for another');
    const current = this.membershipOf(sender);
    if (current === 'ban') return reject('5.2.3', `${sender} is banned`);
    const rule = this.joinRule();
    const welcome = current === 'invite' || current === 'join';
    if (rule === 'public') return allow('5.2.5');
    if ((rule === 'invite' || rule === 'knock') && welcome) return allow('5.2.4');
    if (rule === undefined) {
      // Profile §2: the default is `invite`, which the draft leaves open.
      if (welcome) return allow('5.2.4');
      return this.differing(
        'profile: default join rule',
        `${sender} is not invited, and the room has no join rule`,
        '5.2.6',
      );
    }
    return reject('5.2.6', `${sender} is not invited`);
  }

  private invite(target: string): AuthVerdict {
    if (this.membershipOf(this.sender) !== 'join') return reject('5.3.1', `${this.sender} is not in the room`);
    const current = this.membershipOf(target);
    if (current === 'join' || current === 'ban') return reject('5.3.2', `${target} is in the room already, or banned`);
    return this.levels.of(this.sender) >= this.levels.toDo('invite')
      ? allow('5.3.3')
      : reject('5.3.4', `${this.sender} may not invite`);
  }

  private leave(target: string): AuthVerdict {
    const { sender, levels } = this;
    if (sender === target) {
      return ['knock', 'join', 'invite'].includes(this.membershipOf(sender))
        ? allow('5.4.1')
        : reject('5.4.1', `${sender} is not in the room, nor invited`);
    }
    if (this.membershipOf(sender) !== 'join') return reject('5.4.2', `${sender} is not in the room`);
    if (this.membershipOf(target) === 'ban' && levels.of(sender) < levels.toDo('ban')) {
      return reject('5.4.3', `${sender} may not unban`);
    }
    return levels.of(sender) >= levels.toDo('kick') && levels.of(target) < levels.of(sender)
      ? allow('5.4.4')
      : reject('5.4.5', `${sender} may not remove ${target}`);
  }

  private ban(target: string): AuthVerdict {
    const { sender, levels } = this;
    if (this.membershipOf(sender) !== 'join') return reject('5.5.1', `${sender} is not in the room`);
    return levels.of(sender) >= levels.toDo('ban') && levels.of(target) < levels.of(sender)
      ? allow('5.5.2')
      : reject('5.5.3', `${sender} may not ban ${target}`);
  }

  private knock(target: string): AuthVerdict {
    if (this.joinRule() !== 'knock') return reject('5.6.1', 'the room does not take knocks');
    if (this.sender !== target) return reject('5.6.2', 'nobody knocks for another');
    const current = this.membershipOf(this.sender);
    return current === 'ban' || current === 'join'
      ? reject('5.6.4', `${this.sender} is in the room already, or banned`)
      : allow('5.6.3');
  }

  private ruled(verdict: PowerVerdict): AuthVerdict {
    if (verdict.kind === 'allow') return allow('9.10');
    return verdict.kind === 'differing'
      ? this.differing(verdict.rule, verdict.reason)
      : reject(verdict.rule, verdict.reason);
  }

  /** A rule that servers read differently. */
  private differing(rule: string, reason: string, strictRule = rule): AuthVerdict {
    return this.context.lenient
      ? { allowed: true, rule: '10', dissent: { rule, reason } }
      : { allowed: false, rule: strictRule, reason };
  }

  private joinRule(): string | undefined {
    return text(this.contentOf('m.room.join_rules')?.join_rule);
  }

  private membershipOf(userId: string): string {
    const content = this.state.get('m.room.member', userId)?.event.content;
    return (isJsonObject(content) ? text(content.membership) : undefined) ?? 'leave';
  }

  private contentOf(type: string): JsonObject | undefined {
    const content = this.state.get(type, '')?.event.content;
    return isJsonObject(content) ? content : undefined;
  }
}

const text = (value: JsonValue | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

function serverPart(id: JsonValue | undefined): string | undefined {
  return typeof id === 'string' ? id.slice(id.indexOf(':') + 1) : undefined;
}
