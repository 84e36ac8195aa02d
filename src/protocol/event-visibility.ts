/** What decides whether a server may read an event. */
export interface EventSighting {
  type: string;
  /** `history_visibility` of the room at the event; absent or unknown counts as `shared`. */
  historyVisibility: string | undefined;
  /** A user of the server was joined at the event. */
  joinedThen: boolean;
  /** A user of the server was invited at the event. */
  invitedThen: boolean;
  /** A user of the server joined at some time after the event. */
  joinedSince: boolean;
}

/**
 * Whether a server may see the content of an event. LM-04 §Calculating Event Visibility is a heading yet: these are the meanings
 * of the Matrix specification (§Room History Visibility), for a server as the sum of its users. An
 * m.mls.commit is never hidden by them (LM-04 §MLS Considerations): it counts as `shared`.
 */
export function mayServerSee(sighting: EventSighting): boolean {
  const { type, historyVisibility, joinedThen, invitedThen, joinedSince } = sighting;
  if (joinedThen || historyVisibility === 'world_readable') return true;
  if (type === 'm.mls.commit' && joinedSince) return true;
  switch (historyVisibility) {
    case 'joined':
      return false;
    case 'invited':
      return invitedThen;
    default:
      return joinedSince;
  }
}
