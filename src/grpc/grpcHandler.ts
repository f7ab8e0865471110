/** Services as a handler of HTTP requests: gRPC, gRPC-Web and Connect. */
import { Code, ConnectError, type ConnectRouter, type Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { MAX_MESSAGE_BYTES } from './limits.ts';
import { toConnectError } from './status.ts';

/** Registers services. */
export type GrpcServices = (router: ConnectRouter) => void;

/** How calls are answered. */
export interface GrpcHandlerOptions {
  readonly services: readonly GrpcServices[];
  readonly maxMessageBytes?: number | undefined;
  /** Told of calls that failed by no fault of the client. */
  readonly reportError?: ((error: unknown, method: string) => void) | undefined;
  /** Told of calls of methods that there are, once they are over. MUST NOT throw. */
  readonly onCall?: ((call: GrpcCall) => void) | undefined;
}

/** A call that is over. */
export interface GrpcCall {
  /** `<package>.<Service>/<Method>` */
  readonly method: string;
  /** `OK`, or the status as gRPC's specification writes it: `NOT_FOUND`. */
  readonly code: string;
}

/** A handler for node:http and node:http2. */
export type GrpcHandler = ReturnType<typeof connectNodeAdapter>;

/** `/<package>.<Service>/<Method>`: no file of a binary cache has such a path. */
const METHOD_PATH =
  /^\/[a-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*\.[A-Z][A-Za-z0-9]*\/[A-Z][A-Za-z0-9]*$/;

/** Whether a path is that of a method; what no service answers is answered by the handler too. */
export function isGrpcPath(path: string): boolean {
  return METHOD_PATH.test(path);
}

/** Makes the handler. */
export function grpcHandler(options: GrpcHandlerOptions): GrpcHandler {
  const { services, maxMessageBytes = MAX_MESSAGE_BYTES, reportError, onCall } = options;
  return connectNodeAdapter({
    routes: (router) => {
      for (const register of services) register(router);
    },
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
    // contents are compressed at rest or not worth it, and messages are small
    acceptCompression: [],
    interceptors: [ended(onCall), errors(reportError)],
  });
}

/** Turns what services throw into statuses, also in the middle of a stream. */
function errors(reportError: GrpcHandlerOptions['reportError']): Interceptor {
  return (next) => async (request) => {
    const translate = (error: unknown) => {
      const status = toConnectError(error, request.signal);
      if (isOurFault(error, status)) {
        reportError?.(error, `${request.service.typeName}/${request.method.name}`);
      }
      return status;
    };
    try {
      const response = await next(request);
      if (!response.stream) return response;
      return { ...response, message: translated(response.message, translate) };
    } catch (error) {
      throw translate(error);
    }
  };
}

/** Tells of calls, a stream of answers included. */
function ended(onCall: GrpcHandlerOptions['onCall']): Interceptor {
  return (next) => async (request) => {
    const method = `${request.service.typeName}/${request.method.name}`;
    const tell = (code: string) =>
      // whoever has gone did not see how it ended
      onCall?.({ method, code: request.signal.aborted && code === 'OK' ? 'CANCELLED' : code });
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: followed(response.message, tell) };
      tell('OK');
      return response;
    } catch (error) {
      tell(statusName(error));
      throw error;
    }
  };
}

async function* followed<T>(
  messages: AsyncIterable<T>,
  tell: (code: string) => void,
): AsyncGenerator<T, void, undefined> {
  // whoever leaves a stream early has cancelled the call
  let code = 'CANCELLED';
  try {
    yield* messages;
    code = 'OK';
  } catch (error) {
    code = statusName(error);
    throw error;
  } finally {
    tell(code);
  }
}

/** `NotFound` → `NOT_FOUND` */
function statusName(error: unknown): string {
  const name = Code[ConnectError.from(error).code] ?? 'Unknown';
  // gRPC writes it with two l, Connect with one
  if (name === 'Canceled') return 'CANCELLED';
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}

/** Statuses of failures that a client can do nothing about. */
const FAILURES: ReadonlySet<Code> = new Set([
  Code.Unknown,
  Code.Internal,
  Code.DataLoss,
  Code.Unavailable,
]);

/**
 * Whether a call failed by no fault of the client. What is a status already is an answer, such as that something
 * is not there, or what the protocol has against a message.
 */
function isOurFault(error: unknown, status: ConnectError): boolean {
  return !(error instanceof ConnectError) && FAILURES.has(status.code);
}

async function* translated<T>(
  messages: AsyncIterable<T>,
  translate: (error: unknown) => Error,
): AsyncGenerator<T, void, undefined> {
  try {
    yield* messages;
  } catch (error) {
    throw translate(error);
  }
}
