import type { Provider } from '@nestjs/common';
import { ChannelChanges } from './channel-changes.js';
import { Commands } from './commands.js';
import { ConversationCommands } from './conversation-commands.js';
import { Conversations } from './conversations.js';
import { InviteList } from './invite-list.js';
import { MembershipNews } from './membership-news.js';
import { Memberships } from './memberships.js';
import { Mirror } from './mirror.js';
import { NativeHistory } from './native-history.js';
import { OutsideCommands } from './outside-commands.js';
import { OwnerCommands } from './owner-commands.js';
import { PersonalNotices } from './personal-notices.js';
import { ProfileChanges } from './profile-changes.js';
import { RoomCommands } from './room-commands.js';
import { RoomNames } from './room-names.js';

/** What people can ask the gateway for, and what it tells one of them alone. */
export const TALK: Provider[] = [
  ChannelChanges,
  Commands,
  ConversationCommands,
  Conversations,
  InviteList,
  MembershipNews,
  Memberships,
  Mirror,
  NativeHistory,
  OutsideCommands,
  OwnerCommands,
  PersonalNotices,
  ProfileChanges,
  RoomCommands,
  RoomNames,
];
