/** Configuration files, and the files that they name. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import {
  type ConfigFiles,
  type ConfigOverrides,
  readConfig,
} from '../composition/config/readConfig.ts';
import type { ServeConfig } from '../composition/config/serveConfig.ts';
import { NarthexError } from '../errors.ts';

/** Addresses on a command line: paths in them are relative to the current directory. */
export const COMMAND_LINE_FILES: ConfigFiles = {
  directory: process.cwd(),
  readText: (path) => readFile(path, 'utf8'),
};

/**
 * Reads a configuration file. Paths in it are relative to the directory that it lies in.
 * @param overrides keys that count in place of those of the file
 * @throws USAGE it cannot be read
 * @throws CONFIG_INVALID
 */
export async function readConfigFile(
  file: string,
  overrides?: ConfigOverrides,
): Promise<ServeConfig> {
  let content: Uint8Array;
  try {
    content = await readFile(file);
  } catch (error) {
    const { message } = error instanceof Error ? error : { message: String(error) };
    throw new NarthexError('USAGE', `the configuration cannot be read: ${message}`, { file });
  }
  const files = { ...COMMAND_LINE_FILES, directory: dirname(resolve(file)) };
  return await readConfig(textOf(content, file), file, files, overrides);
}

/** TOML is UTF-8; the mark that some editors begin it with is left out. @throws CONFIG_INVALID */
function textOf(content: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    throw new NarthexError('CONFIG_INVALID', `${file}: is not UTF-8, as TOML is`, { file });
  }
}
