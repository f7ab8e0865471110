/** Layouts that were asked for lately: clients ask for ranges of the same NAR one after the other. */
import type { ServiceOptions } from '../castore/blobService.ts';
import type { Node } from '../castore/node.ts';
import type { Limits } from '../limits.ts';
import type { DirectorySource } from '../render/fetchDirectory.ts';
import { NarLayout } from '../render/layout.ts';

/** How many directories the layouts that are kept may have together: some 150 bytes each. */
const DEFAULT_MAX_DIRECTORIES = 100_000;

/** Keeps layouts of directories, the least recently used one dropped first. */
export class LayoutCache {
  readonly #source: DirectorySource;
  readonly #limits: Limits | undefined;
  readonly #maxDirectories: number;
  readonly #layouts = new Map<string, NarLayout>();
  #directories = 0;

  constructor(
    source: DirectorySource,
    limits: Limits | undefined,
    maxDirectories: number = DEFAULT_MAX_DIRECTORIES,
  ) {
    this.#source = source;
    this.#limits = limits;
    this.#maxDirectories = maxDirectories;
  }

  /** @throws LIMIT_EXCEEDED, DIRECTORY_MISSING */
  async layoutOf(node: Node, { signal }: ServiceOptions = {}): Promise<NarLayout> {
    const options = { signal, limits: this.#limits };
    if (node.type !== 'directory') return NarLayout.of(node, this.#source, options);
    const { key } = node.digest;
    const layout = this.#layouts.get(key) ?? (await NarLayout.of(node, this.#source, options));
    this.#drop(key); // to come last again
    this.#layouts.set(key, layout);
    this.#directories += layout.directoryCount;
    for (const oldest of this.#layouts.keys()) {
      if (this.#directories <= this.#maxDirectories) break;
      this.#drop(oldest);
    }
    return layout;
  }

  #drop(key: string): void {
    const layout = this.#layouts.get(key);
    if (layout === undefined) return;
    this.#layouts.delete(key);
    this.#directories -= layout.directoryCount;
  }
}
