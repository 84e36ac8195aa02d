import { FirstSchema1795500000000 } from './1795500000000-first-schema.js';
import { KnocksAndAliases1795900000000 } from './1795900000000-knocks-and-aliases.js';
import { KeyAnswers1795910000000 } from './1795910000000-key-answers.js';
import { IncidentEvidence1796010000000 } from './1796010000000-incident-evidence.js';
import { GapsAndEchoes1796010000100 } from './1796010000100-gaps-and-echoes.js';
import { Edge1796020000000 } from './1796020000000-edge.js';
import { SeveralGateways1796030000000 } from './1796030000000-several-gateways.js';
import { DeadLetters1796030100000 } from './1796030100000-dead-letters.js';
import { Secrets1797030000000 } from './1797030000000-secrets.js';
import { CarriedEvents1797035000000 } from './1797035000000-carried-events.js';
import { Conversations1797050000000 } from './1797050000000-conversations.js';
import { StaleProfiles1797050000100 } from './1797050000100-stale-profiles.js';
import { NativeHistory1797050000200 } from './1797050000200-native-history.js';
import { Media1797060000000 } from './1797060000000-media.js';

export const MIGRATIONS = [
  FirstSchema1795500000000,
  KnocksAndAliases1795900000000,
  KeyAnswers1795910000000,
  IncidentEvidence1796010000000,
  GapsAndEchoes1796010000100,
  Edge1796020000000,
  SeveralGateways1796030000000,
  DeadLetters1796030100000,
  Secrets1797030000000,
  CarriedEvents1797035000000,
  Conversations1797050000000,
  StaleProfiles1797050000100,
  NativeHistory1797050000200,
  Media1797060000000,
];
