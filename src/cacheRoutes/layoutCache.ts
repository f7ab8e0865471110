/** Layouts that were asked for lately: clients ask for ranges of the same NAR one after the other. */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Node } from '../castore/node.ts';
import type { Limits } from '../limits.ts';
import type { DirectorySource } from '../render/fetchDirectory.ts';
import { NarLayout } from '../render/layout.ts';
import { WeightedLru } from '../weightedLru.ts';

/** How many directories the layouts that are kept may have together: some 150 bytes each. */
const DEFAULT_MAX_DIRECTORIES = 100_000;

/** Keeps layouts of directories, the least recently used one dropped first. */
export class LayoutCache {
  readonly #source: DirectorySource;
  readonly #limits: Limits | undefined;
  readonly #layouts: WeightedLru<NarLayout>;

  constructor(
    source: DirectorySource,
    limits: Limits | undefined,
    maxDirectories: number = DEFAULT_MAX_DIRECTORIES,
  ) {
    this.#source = source;
    this.#limits = limits;
    this.#layouts = new WeightedLru(maxDirectories, ({ directoryCount }) => directoryCount);
  }

  /** @throws LIMIT_EXCEEDED, DIRECTORY_MISSING */
  async layoutOf(node: Node, { signal }: ServiceOptions = {}): Promise<NarLayout> {
    const options = { signal, limits: this.#limits };
    if (node.type !== 'directory') return NarLayout.of(node, this.#source, options);
    const { key } = node.digest;
    const kept = this.#layouts.get(key);
    if (kept !== undefined) return kept;
    const layout = await NarLayout.of(node, this.#source, options);
    this.#layouts.set(key, layout);
    return layout;
  }
}
