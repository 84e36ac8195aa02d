import { checkBlocks } from '../blocks.js';
import { type Call, type Method, invalidArguments } from '../call.js';
import type { Timers } from '../deliveries.js';
import { type Channel, type Json, type StoredFile, SlackError, textOf } from '../model.js';
import { normalise } from '../mrkdwn.js';
import { fileJson } from '../shapes.js';
import type { Uploads } from '../uploads.js';

/** A file that the app brought, or that is shared where the app is. */
function visibleFile(call: Call): StoredFile {
  const file = call.workspace.file(call.args.need('file'));
  const shared = file.shares.some((share) => call.workspace.channel(share.channel).members.has(call.bot.id));
  if (file.user !== call.bot.id && !shared) throw new SlackError('file_not_found');
  return file;
}

const info: Method = (call) => ({
  file: fileJson(call.workspace, visibleFile(call)),
  comments: [],
});

const remove: Method = (call) => {
  const file = visibleFile(call);
  if (file.user !== call.bot.id) throw new SlackError('cant_delete_file');
  call.conversations.deleteFile(file);
  return {};
};

export function fileMethods(uploads: Uploads, timers: Timers): Readonly<Record<string, Method>> {
  const getUploadURLExternal: Method = (call) => {
    const { args, workspace, bot } = call;
    const length = Number(args.need('length'));
    const { id, path } = uploads.open(workspace, bot.id, args.need('filename'), length, args.text('alt_txt') ?? '');
    return { upload_url: `${workspace.origin()}${path}`, file_id: id };
  };

  const completeUploadExternal: Method = (call) => {
    const { args, workspace } = call;
    const wanted = args.objects('files') ?? [];
    if (wanted.length === 0) throw invalidArguments('[ERROR] missing required field: files');
    const ids = [args.text('channel_id'), ...(args.text('channels') ?? '').split(',')];
    const channels = ids.filter((id): id is string => id !== undefined && id !== '').map((id) => call.live(id));
    const thread = args.text('thread_ts');
    const comment = args.text('initial_comment');
    const blocks = args.structure('blocks');
    const checked = blocks === undefined ? undefined : checkBlocks(blocks, (id) => workspace.files.has(id));
    const files = wanted.map(({ id, title }) => {
      return uploads.complete(workspace, textOf(id), typeof title === 'string' ? title : undefined);
    });
    const share = (channel: Channel): void => {
      const draft = {
        user: call.bot.id,
        botId: workspace.app.botId,
        subtype: 'file_share',
        text: normalise(comment ?? ''),
        files: files.filter((file) => !file.deleted).map((file) => file.id),
      };
      const inThread = thread !== undefined && channel.messages.some((each) => each.ts === thread);
      call.conversations.post(channel, {
        ...draft,
        ...(checked === undefined ? {} : { blocks: checked }),
        ...(inThread ? { threadTs: thread } : {}),
      });
    };
    // The answer never tells the ts: Slack makes the message later.
    if (channels.length > 0) timers.after(call.faults.fileShareMs, () => channels.forEach(share));
    const answer: Json[] = files.map((file) => fileJson(workspace, file));
    return { files: answer };
  };

  return {
    'files.getUploadURLExternal': getUploadURLExternal,
    'files.completeUploadExternal': completeUploadExternal,
    'files.info': info,
    'files.delete': remove,
  };
}
