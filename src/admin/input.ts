import { BadRequestException } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  MinLength,
} from 'class-validator';
import {
  type RoomAlias,
  type RoomId,
  type ServerName,
  type UserId,
  parseRoomAlias,
  parseRoomId,
  parseServerName,
  parseUserId,
} from '../protocol/index.js';

const MAX_NAME = 255;
const MAX_REASON = 1_000;
/** Each is a request to another server, one after the other. */
const MAX_INVITES = 50;
const MAX_LIMIT = 500;
const MAX_HISTORY = 500;
const DEFAULT_LIMIT = 100;

export class CreateRoomBody {
  @ApiPropertyOptional({ example: 'Acme & Globex' })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_NAME)
  name?: string;

  @ApiPropertyOptional({ description: 'One of our users; the bot when absent.', example: '@causeway:acme.example' })
  @IsOptional()
  @IsString()
  creator?: string;

  @ApiPropertyOptional({ enum: ['invite', 'public', 'knock'], default: 'invite' })
  @IsOptional()
  @IsIn(['invite', 'public', 'knock'])
  join_rule?: 'invite' | 'public' | 'knock';

  @ApiPropertyOptional({ type: [String], example: ['@causeway:globex.example'] })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_INVITES)
  @IsString({ each: true })
  invites?: string[];
}

export class InviteBody {
  @ApiProperty({ example: '@causeway:globex.example' })
  @IsString()
  user_id!: string;
}

export class JoinBody {
  @ApiPropertyOptional({ description: 'One of our users; the bot when absent.' })
  @IsOptional()
  @IsString()
  user_id?: string;

  @ApiPropertyOptional({ description: 'The hub, when no invite names it.', example: 'globex.example' })
  @IsOptional()
  @IsString()
  via?: string;
}

export class LeaveBody {
  @ApiPropertyOptional({ description: 'One of our users; the bot when absent.' })
  @IsOptional()
  @IsString()
  user_id?: string;
}

export class KnockBody extends JoinBody {
  @ApiPropertyOptional({ description: 'What the people of the room read.', example: 'We met at the fair.' })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_REASON)
  reason?: string;
}

export class RemoveBody {
  @ApiProperty({ example: '@eve:globex.example' })
  @IsString()
  user_id!: string;

  @ApiPropertyOptional({ example: 'Off topic' })
  @IsOptional()
  @IsString()
  @MaxLength(MAX_REASON)
  reason?: string;
}

export class AliasBody {
  @ApiProperty({ example: '!abc:acme.example' })
  @IsString()
  room_id!: string;
}

export class SendBody {
  @ApiProperty({ example: 'Good morning' })
  @IsString()
  @MinLength(1)
  text!: string;

  @ApiPropertyOptional({ description: 'One of our users in the room; the bot when absent.' })
  @IsOptional()
  @IsString()
  sender?: string;
}

const GLOB = /^[A-Za-z0-9.:*?-]{1,261}$/;
const MAX_GLOBS = 100;

class AdmissionBody {
  @ApiPropertyOptional({
    type: [String],
    description: 'Servers that may take part in the room, in which * and ? may stand; empty: everybody.',
    example: ['*.globex.example'],
  })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_GLOBS)
  @Matches(GLOB, { each: true })
  allow?: string[];

  @ApiPropertyOptional({ type: [String], description: 'Servers that may not, whatever `allow` says.' })
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(MAX_GLOBS)
  @Matches(GLOB, { each: true })
  deny?: string[];
}

export class CreateMappingBody extends AdmissionBody {
  @ApiProperty({ example: 'http' })
  @IsString()
  platform!: string;

  @ApiProperty({ example: 'acme' })
  @IsString()
  workspace!: string;

  @ApiProperty({ description: 'Channel id of the platform.', example: 'C1' })
  @IsString()
  @MinLength(1)
  @MaxLength(MAX_NAME)
  channel!: string;

  @ApiProperty({ example: '!abc:acme.example' })
  @IsString()
  room_id!: string;

  @ApiPropertyOptional({
    description:
      'How many of the last messages of the channel come into the room, with the time when they were written.',
    default: 0,
    maximum: MAX_HISTORY,
  })
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_HISTORY)
  history?: number;
}

export class ChangeMappingBody extends AdmissionBody {
  @ApiPropertyOptional({ enum: ['active', 'paused'] })
  @IsOptional()
  @IsIn(['active', 'paused'])
  state?: 'active' | 'paused';

  @ApiPropertyOptional({
    enum: ['none', 'forgery', 'any'],
    description:
      'Which incidents in its room pause it: `forgery` (the default of a new mapping) are `altered`, `forged` and `equivocation`.',
  })
  @IsOptional()
  @IsIn(['none', 'forgery', 'any'])
  pause_on?: 'none' | 'forgery' | 'any';

  @ApiPropertyOptional({
    enum: ['first_word', 'mirror'],
    description:
      'When people of the channel become members of its room: when they first say something there (the default), or all who are in the channel (at most 500).',
  })
  @IsOptional()
  @IsIn(['first_word', 'mirror'])
  membership_mode?: 'first_word' | 'mirror';
}

function read<T>(name: string, value: string, parse: (text: string) => T | undefined, what: string): T {
  const parsed = parse(value);
  if (parsed === undefined) throw new BadRequestException(`${name} must be ${what}`);
  return parsed;
}

export const roomId = (value: string): RoomId =>
  read('room_id', value, parseRoomId, 'a room id such as !abc:acme.example');
export const roomAlias = (value: string): RoomAlias =>
  read('alias', value, parseRoomAlias, 'a room alias such as #fair:acme.example');
export const userId = (value: string, name = 'user_id'): UserId =>
  read(name, value, parseUserId, 'a user id such as @ada:acme.example');
export const serverName = (value: string, name = 'server'): ServerName =>
  read(name, value, parseServerName, 'a server name such as acme.example');

/** A whole number of a query, between 0 and the largest position. */
export function position(value: string | undefined, name: string, absent: number): number {
  if (value === undefined) return absent;
  return read(name, value, (text) => (/^[0-9]{1,16}$/.test(text) ? Number(text) : undefined), 'a whole number');
}

export const limit = (value: string | undefined): number =>
  Math.max(1, Math.min(position(value, 'limit', DEFAULT_LIMIT), MAX_LIMIT));

/** A query parameter that names one of a few. Throws 400. */
export function oneOf<T extends string>(known: readonly T[], value: string, name: string): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw new BadRequestException(`${name} must be one of ${known.join(', ')}`);
  return found;
}
