/** A gRPC server on loopback, for tests. */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type ChannelOptions, type GrpcChannel, openChannel } from '../../src/grpc/channel.ts';
import { type GrpcHandlerOptions, grpcHandler } from '../../src/grpc/grpcHandler.ts';

/** A server and a channel to it. */
export interface Loopback extends AsyncDisposable {
  readonly url: string;
  readonly channel: GrpcChannel;
}

/** Starts a server over h2c. */
export async function loopback(
  options: GrpcHandlerOptions,
  channelOptions: ChannelOptions = {},
): Promise<Loopback> {
  const sessions = new Set<{ destroy(): void }>();
  const server = createServer(grpcHandler(options));
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // a string would be the address of a pipe
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const channel = openChannel(url, channelOptions);
  return {
    url,
    channel,
    async [Symbol.asyncDispose]() {
      channel[Symbol.dispose]();
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
