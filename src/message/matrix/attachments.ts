import { type JsonObject, type JsonValue, isJsonObject } from '../../protocol/index.js';
import type { Attachment } from '../message.js';
import { parseMxcUri } from './uris.js';

/** MSC3245: what marks an `m.audio` as a voice message; no stable name was given. */
const VOICE = 'org.matrix.msc3245.voice';
const UNKNOWN_TYPE = 'application/octet-stream';

const MSGTYPES = {
  image: 'm.image',
  video: 'm.video',
  audio: 'm.audio',
  voice: 'm.audio',
  sticker: 'm.sticker',
  file: 'm.file',
} as const satisfies Record<Attachment['kind'], string>;

/** Content of the event for one attachment, without a caption; a sticker's is that of `m.sticker`. */
export function attachmentContent(attachment: Attachment, mxc: string): JsonObject {
  const { kind, name, alt } = attachment;
  if (kind === 'sticker') return { body: alt ?? name, filename: name, url: mxc, info: infoOf(attachment) };
  return {
    msgtype: MSGTYPES[kind],
    body: name,
    filename: name,
    url: mxc,
    info: infoOf(attachment),
    ...(kind === 'voice' ? { [VOICE]: {} } : {}),
  };
}

function infoOf({ mimeType, size, width, height, durationMs, thumbnail }: Attachment): JsonObject {
  return {
    mimetype: mimeType,
    ...(size === undefined ? {} : { size }),
    ...(width === undefined ? {} : { w: width }),
    ...(height === undefined ? {} : { h: height }),
    ...(durationMs === undefined ? {} : { duration: durationMs }),
    ...(thumbnail !== undefined && 'mxc' in thumbnail ? { thumbnail_url: thumbnail.mxc } : {}),
  };
}

const KINDS = new Map<JsonValue | undefined, Attachment['kind']>([
  ['m.image', 'image'],
  ['m.video', 'video'],
  ['m.audio', 'audio'],
  ['m.file', 'file'],
]);

/** What kind of file a msgtype is about. */
export function kindOf({ msgtype, ...content }: JsonObject): Attachment['kind'] | undefined {
  const kind = KINDS.get(msgtype);
  return kind === 'audio' && content[VOICE] !== undefined ? 'voice' : kind;
}

/** The file of a message; undefined when it has none that can be fetched (encrypted, or at no `mxc:` URI). */
export function attachmentOf(kind: Attachment['kind'], content: JsonObject): Attachment | undefined {
  const mxc = parseMxcUri(content.url);
  if (mxc === undefined) return undefined;
  const info = isJsonObject(content.info) ? content.info : {};
  const thumbnail = parseMxcUri(info.thumbnail_url);
  const name = nameOfFile(kind, content);
  const alt =
    kind === 'sticker' && typeof content.body === 'string' && content.body !== name ? content.body : undefined;
  return {
    kind,
    name,
    mimeType: typeof info.mimetype === 'string' ? info.mimetype : UNKNOWN_TYPE,
    source: { mxc },
    ...number('size', info.size),
    ...number('width', info.w),
    ...number('height', info.h),
    ...number('durationMs', info.duration),
    ...(alt === undefined ? {} : { alt }),
    ...(thumbnail === undefined ? {} : { thumbnail: { mxc: thumbnail } }),
  };
}

/** `filename`, and before Matrix 1.10 `body`. */
export function nameOfFile(kind: Attachment['kind'], { filename, body }: JsonObject): string {
  if (typeof filename === 'string' && filename !== '') return filename;
  return typeof body === 'string' && body !== '' ? body : kind;
}

/** Whether `body` says something about the file, and is not its name (Matrix 1.10, Media captions). */
export const hasCaption = ({ filename, body }: JsonObject): boolean =>
  typeof filename === 'string' && filename !== '' && typeof body === 'string' && body !== filename;

const number = (key: 'size' | 'width' | 'height' | 'durationMs', value: JsonValue | undefined): Partial<Attachment> =>
  typeof value === 'number' ? { [key]: value } : {};
