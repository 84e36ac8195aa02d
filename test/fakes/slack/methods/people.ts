import { type Method, page } from '../call.js';
import { SlackError } from '../model.js';
import { botProfile, profileJson, userJson } from '../shapes.js';

const info: Method = (call) => ({ user: userJson(call.workspace, call.workspace.user(call.args.need('user'))) });

const list: Method = (call) => {
  const { items, next } = page([...call.workspace.users.values()], call.args, 1_000, 1_000);
  return {
    members: items.map((user) => userJson(call.workspace, user)),
    cache_ts: call.workspace.seconds(),
    response_metadata: { next_cursor: next },
  };
};

const lookupByEmail: Method = (call) => {
  const email = call.args.need('email').toLowerCase();
  const user = [...call.workspace.users.values()].find((each) => each.email.toLowerCase() === email && !each.deleted);
  if (user?.teamId !== call.workspace.id) throw new SlackError('users_not_found');
  return { user: userJson(call.workspace, user) };
};

const profile: Method = (call) => ({
  profile: profileJson(call.workspace, call.workspace.user(call.args.text('user') ?? call.bot.id)),
});

const presence: Method = (call) => {
  call.workspace.user(call.args.need('user'));
  return { presence: 'active' };
};

const team: Method = (call) => {
  const { id, name, domain } = call.workspace;
  const asked = call.args.text('team');
  if (asked !== undefined && asked !== id) throw new SlackError('team_not_found');
  const icon = { image_34: '', image_44: '', image_68: '', image_88: '', image_102: '', image_132: '', image_230: '' };
  const address = `${call.workspace.origin()}/`;
  return {
    team: { id, name, url: address, domain, email_domain: `${domain}.example`, icon: { ...icon, image_default: true } },
  };
};

const bot: Method = (call) => {
  const asked = call.args.text('bot') ?? call.workspace.app.botId;
  if (asked !== call.workspace.app.botId) throw new SlackError('bot_not_found');
  const { id, deleted, name, updated, app_id, icons } = botProfile(call.workspace);
  return { bot: { id, deleted, name, updated, app_id, user_id: call.bot.id, icons } };
};

const emoji: Method = (call) => ({
  emoji: Object.fromEntries(call.workspace.emoji),
  cache_ts: `${call.workspace.seconds()}.000000`,
});

export const PEOPLE: Readonly<Record<string, Method>> = {
  'users.info': info,
  'users.list': list,
  'users.lookupByEmail': lookupByEmail,
  'users.profile.get': profile,
  'users.getPresence': presence,
  'team.info': team,
  'bots.info': bot,
  'emoji.list': emoji,
};
