import { Module } from '@nestjs/common';
import { RoomMappings } from './room-mappings.js';
import { UserMappings } from './user-mappings.js';

@Module({ providers: [RoomMappings, UserMappings], exports: [RoomMappings, UserMappings] })
export class MappingModule {}
