import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { RoomEntity } from '../persistence/entities/index.js';
import type { RoomId } from '../protocol/index.js';
import { RoomState } from './room-state.js';

const MAX_STATE_EVENTS = 50_000;

/** Current state of the rooms that are busy. An entry counts only for the head for which it was made. */
@Injectable()
export class RoomStates {
  private readonly cache = new LRUCache<RoomId, RoomState>({
    maxSize: MAX_STATE_EVENTS,
    sizeCalculation: (state) => state.size + 1,
  });

  of({ roomId, headEventId }: RoomEntity): RoomState {
    const cached = this.cache.get(roomId);
    return cached?.headEventId === headEventId ? cached : RoomState.empty(roomId, headEventId);
  }

  remember(state: RoomState): void {
    this.cache.set(state.roomId, state);
  }
}
