/** Records that come one by one and are compressed many at once: a message for each would cost too much. */
import type { EncodedData, RecordEncoder } from '../store/recordEncoding.ts';
import { BLOCK_BYTES, type Joined, uncleared } from './encodeTask.ts';

/** Encodes records that lie one after the other, whose memory it owns. */
export type EncodeJoined = (records: Joined) => Promise<readonly EncodedData[]>;

/** Gathers what is asked for at the same time, or fills a block, and has it encoded together. */
export function gatheringEncoder(encode: EncodeJoined): RecordEncoder {
  let block = uncleared(0);
  let end = 0;
  let waiting: PromiseWithResolvers<EncodedData>[] = [];
  let lengths: number[] = [];
  const flush = () => {
    if (waiting.length === 0) return;
    const asked = waiting;
    const records = { bytes: block.subarray(0, end), lengths };
    block = uncleared(0);
    end = 0;
    waiting = [];
    lengths = [];
    encode(records).then(
      (encoded) => {
        for (const [i, data] of encoded.entries()) asked[i]?.resolve(data);
      },
      (error) => {
        for (const { reject } of asked) reject(error);
      },
    );
  };
  return (raw) => {
    if (end + raw.length > block.length) {
      flush();
      block = uncleared(Math.max(BLOCK_BYTES, raw.length));
    }
    block.set(raw, end);
    end += raw.length;
    const answer = Promise.withResolvers<EncodedData>();
    if (waiting.length === 0) setImmediate(flush);
    waiting.push(answer);
    lengths.push(raw.length);
    return answer.promise;
  };
}
