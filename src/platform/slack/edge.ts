import { type Listen, SlackListener } from './listener.js';
import type { Receiver } from './receiver.js';
import { SocketMode } from './socket-mode.js';

/** Where everything of Slack comes in: the listener, and Socket Mode; one app may be in several workspaces. */
export class SlackEdge {
  private readonly receivers: Receiver[] = [];
  private readonly sockets = new Map<string, SocketMode>();
  private readonly listener: SlackListener | undefined;

  constructor(listen: Listen | undefined) {
    this.listener = listen && new SlackListener(listen, () => this.receivers);
  }

  /** The port that is listened on; undefined before. */
  get port(): number | undefined {
    return this.listener?.port;
  }

  join(receiver: Receiver): void {
    this.receivers.push(receiver);
    if (needsListener(receiver)) this.listener?.start();
    const { appToken } = receiver;
    if (appToken === undefined || this.sockets.has(appToken)) return;
    const socket = new SocketMode(
      appToken,
      () => this.receivers.filter((each) => each.appToken === appToken),
      receiver.slackApiUrl,
    );
    this.sockets.set(appToken, socket);
    socket.start();
  }

  async leave(receiver: Receiver): Promise<void> {
    const index = this.receivers.indexOf(receiver);
    if (index >= 0) this.receivers.splice(index, 1);
    const { appToken } = receiver;
    if (appToken !== undefined && !this.receivers.some((each) => each.appToken === appToken)) {
      await this.sockets.get(appToken)?.stop();
      this.sockets.delete(appToken);
    }
    if (!this.receivers.some(needsListener)) await this.listener?.stop();
  }
}

const needsListener = ({ signingSecret, installation }: Receiver): boolean =>
  signingSecret !== undefined || installation !== undefined;
