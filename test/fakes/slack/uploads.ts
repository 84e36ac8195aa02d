import { extname } from 'node:path';
import { type StoredFile, SlackError } from './model.js';
import type { Workspace } from './workspace.js';

const MAX_FILE_BYTES = 1_073_741_824;

const TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  svg: 'image/svg+xml',
  mp4: 'video/mp4',
  mp3: 'audio/mpeg',
  ogg: 'audio/ogg',
  pdf: 'application/pdf',
  txt: 'text/plain',
  html: 'text/html',
  json: 'application/json',
  zip: 'application/zip',
};

/** A file as somebody of the workspace brings it. */
export interface NewFile {
  name: string;
  bytes: Buffer;
  title?: string;
  altText?: string;
  mimetype?: string;
}

export function storedFile(workspace: Workspace, id: string, user: string, file: NewFile): StoredFile {
  const extension = extname(file.name).slice(1).toLowerCase();
  return {
    id,
    name: file.name,
    title: file.title ?? file.name,
    altText: file.altText ?? '',
    // Slack tells the type by the name.
    mimetype: file.mimetype ?? TYPES[extension] ?? 'application/octet-stream',
    filetype: TYPES[extension] === undefined ? 'binary' : extension,
    user,
    created: workspace.seconds(),
    bytes: file.bytes,
    shares: [],
    deleted: false,
  };
}

interface Ticket {
  readonly workspace: Workspace;
  readonly user: string;
  readonly id: string;
  readonly name: string;
  readonly length: number;
  readonly altText: string;
  bytes?: Buffer;
}

/** Uploads between files.getUploadURLExternal and files.completeUploadExternal. */
export class Uploads {
  private readonly tickets = new Map<string, Ticket>();

  /** The path under which the bytes are taken. */
  open(
    workspace: Workspace,
    user: string,
    name: string,
    length: number,
    altText: string,
  ): { id: string; path: string } {
    if (!Number.isInteger(length) || length <= 0) throw new SlackError('invalid_arguments');
    if (length > MAX_FILE_BYTES) throw new SlackError('file_upload_size_restricted');
    const id = workspace.newId('F');
    this.tickets.set(id, { workspace, user, id, name, length, altText });
    return { id, path: `/upload/v1/${id}` };
  }

  /** The bytes have come; false: there is no such upload, or they are not as many as announced. */
  take(id: string, bytes: Buffer): boolean {
    const ticket = this.tickets.get(id);
    if (ticket?.length !== bytes.length) return false;
    ticket.bytes = bytes;
    return true;
  }

  complete(workspace: Workspace, id: string, title: string | undefined): StoredFile {
    const ticket = this.tickets.get(id);
    if (ticket?.workspace !== workspace || ticket.bytes === undefined) throw new SlackError('file_not_found');
    this.tickets.delete(id);
    const { name, user, bytes, altText } = ticket;
    const file = storedFile(workspace, id, user, { name, bytes, altText, ...(title === undefined ? {} : { title }) });
    workspace.files.set(id, file);
    return file;
  }
}
