import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { Echoes } from './echoes.js';
import { Ephemera } from './ephemera.js';
import { ForkChecks } from './fork-checks.js';
import { Gaps } from './gaps.js';
import { HubChain } from './hub-chain.js';
import { HubEvents } from './hub-events.js';
import { HubHistory } from './hub-history.js';
import { Hub } from './hub.js';
import { Incidents } from './incidents.js';
import { Invites } from './invites.js';
import { Joins } from './joins.js';
import { Lpdus } from './lpdus.js';
import { MissedState } from './missed-state.js';
import { Participant } from './participant.js';
import { PduVerifier } from './pdu-verifier.js';
import { Profiles } from './profiles.js';
import { RoomAliases } from './room-aliases.js';
import { RoomLog } from './room-log.js';
import { RoomReader } from './room-reader.js';
import { RoomStates } from './room-states.js';
import { RoomVisibility } from './room-visibility.js';
import { Rooms } from './rooms.js';

const PROVIDERS = [
  Echoes,
  Ephemera,
  ForkChecks,
  Gaps,
  Hub,
  HubChain,
  HubEvents,
  HubHistory,
  Incidents,
  Invites,
  Joins,
  Lpdus,
  MissedState,
  Participant,
  PduVerifier,
  Profiles,
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
