import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, rmdirSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const BLOCK = Buffer.alloc(4_096);

/** A file system of a few MiB in memory, which can be filled. Only root can mount one. */
export class SmallDisk {
  private constructor(readonly path: string) {}

  static mount(mebibytes: number): SmallDisk {
    const path = mkdtempSync(join(tmpdir(), 'causeway-small-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${String(mebibytes)}m`, 'causeway-test', path]);
    return new SmallDisk(path);
  }

  /** Leaves no block free. */
  fill(): void {
    const file = openSync(this.filler, 'w');
    try {
      for (;;) writeSync(file, BLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(this.filler);
  }

  unmount(): void {
    execFileSync('umount', [this.path]);
    rmdirSync(this.path);
  }

  private get filler(): string {
    return join(this.path, 'filler');
  }
}

/** Whether this process may mount one. */
export const SMALL_DISKS = canMount();

function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    SmallDisk.mount(1).unmount();
    return true;
  } catch {
    return false; // a container may not
  }
}
