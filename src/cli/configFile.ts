/** Configuration files, and the files that they name. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type ConfigFiles, readConfig } from '../composition/config/readConfig.ts';
import type { ServeConfig } from '../composition/config/serveConfig.ts';
import { NarthexError } from '../errors.ts';

/** Addresses on a command line: paths in them are relative to the current directory. */
export const COMMAND_LINE_FILES: ConfigFiles = {
  directory: process.cwd(),
  readText: (path) => readFile(path, 'utf8'),
};

/**
 * Reads a configuration file. Paths in it are relative to the directory that it lies in.
 * @throws USAGE it cannot be read
 * @throws CONFIG_INVALID
 */
export async function readConfigFile(file: string): Promise<ServeConfig> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    const { message } = error instanceof Error ? error : { message: String(error) };
    throw new NarthexError('USAGE', `the configuration cannot be read: ${message}`, { file });
  }
  return await readConfig(content, file, {
    ...COMMAND_LINE_FILES,
    directory: dirname(resolve(file)),
  });
}
