import type { Payload } from './events.js';
import type { SlackInstallation } from './installation.js';
import { json, objects, present } from './json.js';

/** One workspace, as what comes from Slack finds it. */
export interface Receiver {
  /** Where the app is installed by OAuth. */
  readonly installation: SlackInstallation | undefined;
  /** There is a new token. */
  installed(): void;
  readonly signingSecret: string | undefined;
  readonly appToken: string | undefined;
  readonly slackApiUrl: string | undefined;
  /** Undefined until Slack has told who we are there. */
  readonly teamId: string | undefined;
  /** Resolves once it is durable; otherwise rejects. */
  take(payload: Payload): Promise<void>;
  /** What happened since then (ms since the epoch) may not have reached us. */
  missed(since: number): void;
  trouble(problem: string | undefined): void;
}

/** Nobody is known yet who might be meant: Slack shall send it again. */
export class NotReady extends Error {}

/** Hands a payload to the workspace that it is of. One of a workspace that is not ours is dropped. Rejects: send it again. */
export async function route(receivers: readonly Receiver[], payload: Payload): Promise<void> {
  const { body } = payload;
  const teams = [
    body.context_team_id,
    ...objects(body.authorizations).map((each) => each.team_id),
    body.team_id,
    json(body.team).id,
  ].flatMap((team) => present(team) ?? []);
  const receiver = teams
    .map((team) => receivers.find((each) => each.teamId === team))
    .find((each) => each !== undefined);
  if (receiver !== undefined) return receiver.take(payload);
  if (receivers.some((each) => each.teamId === undefined)) throw new NotReady('Slack has not told yet who we are');
}
