/**
 * Which protocol a new connection speaks. HTTP/2 without TLS by prior knowledge (RFC 9113, 3.3) begins with
 * a preface that is no HTTP/1.1 request; everything else is left to HTTP/1.1 to answer.
 */
import type { Socket } from 'node:net';

/** A protocol of the port. */
export type ProtocolName = 'http1' | 'http2';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Reads as little as tells the protocol, puts it back, and calls `found` in the same turn, so that who
 * takes the connection over misses nothing. A connection that ends, or is silent for `timeoutMs` before it
 * has told, is destroyed instead.
 */
export function sniffProtocol(
  socket: Socket,
  timeoutMs: number,
  found: (protocol: ProtocolName) => void,
): void {
  let received: Buffer = Buffer.alloc(0);
  const give = (protocol: ProtocolName) => {
    stop();
    socket.pause();
    socket.unshift(received);
    found(protocol);
  };
  const onData = (bytes: Buffer) => {
    received = received.length === 0 ? bytes : Buffer.concat([received, bytes]);
    const compared = Math.min(received.length, PREFACE.length);
    if (received.compare(PREFACE, 0, compared, 0, compared) !== 0) give('http1');
    else if (compared === PREFACE.length) give('http2');
  };
  const giveUp = () => {
    stop();
    socket.destroy();
  };
  const deadline = setTimeout(giveUp, timeoutMs);
  const stop = () => {
    clearTimeout(deadline);
    socket.off('data', onData).off('end', giveUp).off('error', giveUp).off('close', stop);
  };
  socket.on('data', onData).on('end', giveUp).on('error', giveUp).on('close', stop);
}
