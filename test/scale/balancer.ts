import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

/** A TCP load balancer: each connection goes to the next gateway that takes it. It knows nothing of HTTP. */
export class Balancer {
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private turn = 0;

  private constructor(private readonly ports: readonly number[]) {
    this.server = createServer((client) => {
      this.keep(client);
      this.forward(client, this.ports.length);
    });
  }

  static async start(ports: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(ports);
    balancer.server.listen(0, '127.0.0.1');
    await once(balancer.server, 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private forward(client: Socket, tries: number): void {
    if (tries === 0) {
      client.destroy();
      return;
    }
    const gateway = connect(this.ports[this.turn++ % this.ports.length] ?? 0, '127.0.0.1');
    const refused = (): void => {
      this.forward(client, tries - 1);
    };
    gateway.once('error', refused);
    gateway.once('connect', () => {
      gateway.off('error', refused);
      this.keep(gateway);
      client.pipe(gateway).pipe(client);
      client.once('close', () => gateway.destroy());
      gateway.once('close', () => client.destroy());
    });
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy()); // a killed gateway resets its connections
    socket.once('close', () => this.sockets.delete(socket));
  }
}
