import { type JsonObject, type JsonValue, isJsonObject } from './json.js';

const ACTION_DEFAULTS = { ban: 50, kick: 50, redact: 50, invite: 0 } as const;
export type PowerAction = keyof typeof ACTION_DEFAULTS;

/** Level of the room's creator while there is no m.room.power_levels (LM-04 §m.room.power_levels). */
const CREATOR_LEVEL = 100;

/** Power levels of a room as they are now (LM-04 §Calculating Power Levels). */
export class PowerLevels {
  /** `content` of the current m.room.power_levels, undefined when there is none; `creator` is the sender of m.room.create. */
  constructor(
    private readonly content: JsonObject | undefined,
    private readonly creator: string | undefined,
  ) {}

  of(userId: string): number {
    if (this.content === undefined) return userId === this.creator ? CREATOR_LEVEL : 0;
    return entry(this.content.users, userId) ?? integer(this.content.users_default) ?? 0;
  }

  toDo(action: PowerAction): number {
    return integer(this.content?.[action]) ?? ACTION_DEFAULTS[action];
  }

  toSend(type: string, isState: boolean): number {
    const own = entry(this.content?.events, type);
    if (own !== undefined) return own;
    return isState ? (integer(this.content?.state_default) ?? 50) : (integer(this.content?.events_default) ?? 0);
  }
}

function entry(map: JsonValue | undefined, key: string): number | undefined {
  return isJsonObject(map) && Object.hasOwn(map, key) ? integer(map[key]) : undefined;
}

function integer(value: JsonValue | undefined): number | undefined {
  return Number.isSafeInteger(value) ? (value as number) : undefined;
}
