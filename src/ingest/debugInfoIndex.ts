/**
 * The index of debug information (`debuginfo/<build id>.debug`), made from what is kept: every regular file
 * `lib/debug/.build-id/<2 digits>/<the rest>.debug` of a store path, as Nix does it for a cache of its own.
 * What it says leads to our own NARs, so nothing of it is taken from elsewhere.
 */
import { decodeUtf8, utf8 } from '../bytes.ts';
import type { BlobService, ServiceOptions } from '../castore/blobService.ts';
import type { DirectoryService } from '../castore/directoryService.ts';
import type { Node } from '../castore/node.ts';
import { isNarthexError, NarthexError } from '../errors.ts';
import { BUILD_ID_FOLDER, memberOfBuildId, renderDebugInfo } from '../extraFiles/debugInfo.ts';
import {
  type ExtraFileName,
  extraFilePath,
  parseExtraFileName,
} from '../extraFiles/extraFileName.ts';
import type { ExtraFileService, NamedExtraFile } from '../extraFiles/extraFileService.ts';
import type { Hash } from '../hash.ts';
import type { PathInfo } from '../pathinfo/pathInfo.ts';
import { fetchDirectory } from '../render/fetchDirectory.ts';
import { lookup } from '../render/lookup.ts';
import { writeBlob } from './writeBlob.ts';

/** What a {@link DebugInfoIndex} is made of. */
export interface DebugInfoIndexOptions {
  readonly blobService: BlobService;
  readonly directoryService: DirectoryService;
  readonly extraFiles: ExtraFileService;
}

/** Files that are put at once. */
const PUT_FILES = 1024;

/** Fills `debuginfo/`. */
export class DebugInfoIndex {
  readonly #options: DebugInfoIndexOptions;

  constructor(options: DebugInfoIndexOptions) {
    this.#options = options;
  }

  /**
   * Indexes what a kept path holds. A build id that is indexed already stays as it is: the same executable
   * lies in several paths.
   * @returns those that are new
   * @throws LIMIT_EXCEEDED (limit `extraFiles`) | DIRECTORY_MISSING | READ_ONLY
   */
  async index({ node, claim }: PathInfo, options: ServiceOptions = {}): Promise<ExtraFileName[]> {
    const { extraFiles } = this.#options;
    const added: ExtraFileName[] = [];
    let batch: NamedExtraFile[] = [];
    const putBatch = async () => {
      await extraFiles.putAll(batch, options);
      added.push(...batch.map(({ name }) => name));
      batch = [];
    };
    for await (const buildId of this.#buildIds(node, options)) {
      const name = { kind: 'debugInfo', buildId } as const;
      if ((await extraFiles.get(name, options)) !== undefined) continue;
      const content = renderDebugInfo(claim.narHash, memberOfBuildId(buildId));
      batch.push({ name, file: await writeBlob(this.#options.blobService, content, options) });
      if (batch.length === PUT_FILES) await putBatch();
    }
    if (batch.length > 0) await putBatch();
    return added;
  }

  /**
   * Indexes one build id, in place of what was indexed under it.
   * @param member the file in the content of `node` that has the debug information
   * @throws DEBUG_INFO_INVALID there is no such regular file
   */
  async indexMember(
    buildId: string,
    { node, narHash, member }: { node: Node; narHash: Hash; member: string },
    options: ServiceOptions = {},
  ): Promise<void> {
    const { blobService, extraFiles } = this.#options;
    const name = { kind: 'debugInfo', buildId } as const;
    const found = await this.#find(node, member, options);
    if (found?.type !== 'file') {
      const url = extraFilePath(name);
      const message = `${url}: the NAR has no regular file ${member}`;
      throw new NarthexError('DEBUG_INFO_INVALID', message, { url, field: 'member' });
    }
    const file = await writeBlob(blobService, renderDebugInfo(narHash, member), options);
    await extraFiles.putAll([{ name, file }], options);
  }

  async *#buildIds(root: Node, options: ServiceOptions): AsyncGenerator<string> {
    for (const [folder, node] of await this.#entries(root, BUILD_ID_FOLDER, options)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const [file, { type }] of await this.#entries(node, '', options)) {
        if (type !== 'file' || !file.endsWith('.debug')) continue;
        const name = parseExtraFileName(`debuginfo/${folder}${file}`);
        if (name?.kind === 'debugInfo') yield name.buildId;
      }
    }
  }

  /** The entries of a directory whose names are text; none where there is no such directory. */
  async #entries(
    root: Node,
    path: string,
    options: ServiceOptions,
  ): Promise<readonly (readonly [name: string, node: Node])[]> {
    const node = await this.#find(root, path, options);
    if (node?.type !== 'directory') return [];
    const { directoryService } = this.#options;
    const directory = await fetchDirectory(directoryService, node.digest, undefined, options);
    return directory.entries.flatMap(({ name, node: entry }) => {
      const text = decodeUtf8(name);
      return text === undefined ? [] : [[text, entry] as const];
    });
  }

  async #find(root: Node, path: string, options: ServiceOptions): Promise<Node | undefined> {
    try {
      return await lookup(root, utf8(path), this.#options.directoryService, options);
    } catch (error) {
      const isAbsent =
        isNarthexError(error, 'FILE_NOT_FOUND') || isNarthexError(error, 'NOT_A_DIRECTORY');
      if (isAbsent) return undefined;
      throw error;
    }
  }
}
