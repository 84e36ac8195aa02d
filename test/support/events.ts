import {
  type AuthContext,
  type AuthVerdict,
  DEFAULT_ROOM_VERSION,
  type EventFields,
  type EventId,
  type EventTemplate,
  type JsonObject,
  type KeyId,
  type RoomId,
  type ServerName,
  type SigningKey,
  type StateEntry,
  type StateView,
  type UserId,
  type VerifyKeys,
  checkAuthRules,
  createSigningKey,
  createVerifyKey,
} from '../../src/protocol/index.js';

export const ACME = 'acme.example' as ServerName;
export const GLOBEX = 'globex.example' as ServerName;
export const ADA = '@ada:acme.example' as UserId;
export const BOB = '@bob:acme.example' as UserId;
export const GRACE = '@grace:globex.example' as UserId;
export const ROOM = '!room:acme.example' as RoomId;
export const FIELDS: EventFields = { auth_events: ['$create' as EventId], prev_events: ['$before' as EventId] };

export const aKey = (seed: number, keyId = 'ed25519:1'): SigningKey =>
  createSigningKey(keyId as KeyId, Buffer.alloc(32, seed));

export function keysOf(...keys: SigningKey[]): VerifyKeys {
  return new Map(
    keys.flatMap(({ keyId, publicKey }) => {
      const key = createVerifyKey(publicKey);
      return key === undefined ? [] : [[keyId, key] as const];
    }),
  );
}

class EventBuilder {
  constructor(private readonly fields: EventTemplate) {}

  by(sender: UserId): EventBuilder {
    return new EventBuilder({ ...this.fields, sender });
  }

  message(body: string): EventBuilder {
    return new EventBuilder({ ...this.fields, type: 'm.room.message', content: { body } });
  }

  state(type: string, stateKey: string, content: JsonObject = {}): EventBuilder {
    return new EventBuilder({ ...this.fields, type, state_key: stateKey, content });
  }

  member(target: string, membership: string): EventBuilder {
    return this.state('m.room.member', target, { membership });
  }

  with(fields: JsonObject): EventBuilder {
    return new EventBuilder({ ...this.fields, ...fields });
  }

  build(): EventTemplate {
    return this.fields;
  }
}

/** A message of Ada's, until told otherwise. */
export const anEvent = (): EventBuilder =>
  new EventBuilder({
    room_id: ROOM,
    type: 'm.room.message',
    sender: ADA,
    origin_server_ts: 1,
    content: { body: 'hi' },
  });

/** Current state of a room that Ada of Acme made. Nobody is in it until told so. */
export class RoomBuilder implements StateView {
  private readonly entries = new Map<string, StateEntry>();

  constructor(creation: JsonObject = {}) {
    this.set(anEvent().state('m.room.create', '', { room_version: DEFAULT_ROOM_VERSION, ...creation }));
  }

  with(...events: EventBuilder[]): this {
    for (const event of events) this.set(event);
    return this;
  }

  members(memberships: Record<string, string>): this {
    return this.with(...Object.entries(memberships).map(([user, membership]) => anEvent().member(user, membership)));
  }

  levels(content: JsonObject): this {
    return this.with(anEvent().state('m.room.power_levels', '', content));
  }

  joinRule(rule: string): this {
    return this.with(anEvent().state('m.room.join_rules', '', { join_rule: rule }));
  }

  get(type: string, stateKey: string): StateEntry | undefined {
    return this.entries.get(`${type} ${stateKey}`);
  }

  /** The state events of these keys. */
  named(...keys: (readonly [type: string, stateKey: string])[]): StateEntry[] {
    return keys.flatMap(([type, stateKey]) => this.get(type, stateKey) ?? []);
  }

  judge(event: EventBuilder, context: Partial<AuthContext> = {}): AuthVerdict {
    return checkAuthRules(event.build(), { state: this, roomVersion: DEFAULT_ROOM_VERSION, ...context });
  }

  /** The rule that decided, with a `-` before it where it refused. */
  ruling(event: EventBuilder, context: Partial<AuthContext> = {}): string {
    const verdict = this.judge(event, context);
    return verdict.allowed ? verdict.rule : `-${verdict.rule}`;
  }

  private set(builder: EventBuilder): void {
    const event = builder.build();
    const key = `${event.type} ${event.state_key ?? ''}`;
    this.entries.set(key, { eventId: `$${key}` as EventId, event });
  }
}

export const aRoom = (creation: JsonObject = {}): RoomBuilder => new RoomBuilder(creation);
