/** One huge NAR: memory stays what it is, whatever the NAR. */
import { SecretKey } from '../../../src/signature.ts';
import type { BenchCase } from '../benchCase.ts';
import { syntheticPath } from '../data/syntheticCache.ts';
import { run } from '../measure/process.ts';
import { spreadOf } from '../measure/spread.ts';
import type { Scale } from '../options.ts';
import type { Row } from '../table.ts';
import { Upstream } from '../upstream/upstream.ts';
import { memoryTarget } from './mirror.ts';

const MEGABYTE = 1e6;
const FILE_BYTES: Readonly<Record<Scale, number>> = {
  smoke: 1e6,
  quick: 200e6,
  usual: 1e9,
  full: 4 * 1024 ** 3,
};

export const memory: BenchCase = {
  name: 'memory',
  async *run({ options, places, narthex, processors, say }) {
    const key = SecretKey.generate('narthex-bench-memory-1');
    const fileBytes = FILE_BYTES[options.scale];
    const synthetic = { paths: 1, layers: 1, fileBytes, secretKey: key.toString() };
    say(`memory: hashing a NAR of ${fileBytes} bytes`);
    await using upstream = await Upstream.start({ synthetic, delayMs: 0 });
    const source = {
      url: upstream.url,
      publicKey: key.publicKey.toString(),
      paths: [syntheticPath(0).absolute],
    };
    const store = await places.fresh('disk');
    say('memory: mirroring it');
    const result = await run(narthex.mirror(source, store), { watchMemory: true });
    const name = `one NAR of ${Math.round(fileBytes / MEGABYTE)} MB`;
    const rows: Row[] = [
      {
        of: 'memory',
        what: `${name}: peak RSS, mapped index included`,
        value: spreadOf([result.peakRssBytes / MEGABYTE]),
        unit: 'MB',
      },
      {
        of: 'memory',
        what: `${name}: peak RSS without mapped files`,
        value: spreadOf([(result.peakAnonymousBytes ?? 0) / MEGABYTE]),
        unit: 'MB',
        target: memoryTarget(processors),
      },
      {
        of: 'memory',
        what: `${name}: mirrored at`,
        value: spreadOf([fileBytes / MEGABYTE / result.wallSeconds]),
        unit: 'MB/s',
        cpuSeconds: spreadOf([result.cpuSeconds]),
      },
    ];
    yield* rows;
  },
};
