/** What runs on a worker thread: reads NARs, several at a time, and compresses records. */
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { encodeJoined } from './encodeTask.ts';
import { sentError, type WorkerData, type WorkerRequest } from './messages.ts';
import { NarTask, type Send } from './narTask.ts';

const port = parentPort;
if (port === null) throw new TypeError('this module runs on a worker thread');

const { inBackground }: WorkerData = workerData;
// on Linux each thread has a priority of its own (setpriority(2)); elsewhere this would be the whole process's
if (inBackground && process.platform === 'linux') setPriority(constants.priority.PRIORITY_LOW);

const send: Send = (answer, memory = []) =>
  port.postMessage(
    answer,
    memory.map(({ buffer }) => buffer),
  );

const tasks = new Map<number, NarTask>();

function read({ job, request, isTapped }: WorkerRequest & { readonly type: 'read' }): void {
  const task = new NarTask(job, request, isTapped, send);
  tasks.set(job, task);
  task.run().finally(() => tasks.delete(job));
}

function encode({ job, level, ...joined }: WorkerRequest & { readonly type: 'encode' }): void {
  try {
    const encoded = encodeJoined(joined, level);
    send({ type: 'encoded', job, ...encoded }, [encoded.bytes]);
  } catch (error) {
    send({ type: 'failed', job, error: sentError(error) });
  }
}

port.on('message', (message: WorkerRequest) => {
  switch (message.type) {
    case 'read':
      return read(message);
    case 'encode':
      return encode(message);
    // a task that has ended may not be known to have on the other side
    case 'file':
      return tasks.get(message.job)?.addFile(message.bytes, message.then);
    case 'taken':
      return tasks.get(message.job)?.taken(message.bytes);
    case 'abort':
      return tasks.get(message.job)?.abort();
  }
});
