import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { CatchUp } from './catch-up.js';
import { Hub } from './hub.js';
import { Incidents } from './incidents.js';
import { Participant } from './participant.js';
import { PduVerifier } from './pdu-verifier.js';
import { RoomAliases } from './room-aliases.js';
import { RoomLog } from './room-log.js';
import { RoomReader } from './room-reader.js';
import { RoomStates } from './room-states.js';
import { RoomVisibility } from './room-visibility.js';
import { Rooms } from './rooms.js';

const PROVIDERS = [
  CatchUp,
  Hub,
  Incidents,
  Participant,
  PduVerifier,
  RoomAliases,
  RoomLog,
  RoomReader,
  RoomStates,
  RoomVisibility,
  Rooms,
];

@Module({})
export class RoomsModule {
  /** `remoteServers` is the module that exports RemoteServers: how rooms reach other servers. */
  static register(remoteServers: Type): DynamicModule {
    return { module: RoomsModule, global: true, imports: [remoteServers], providers: PROVIDERS, exports: PROVIDERS };
  }
}
