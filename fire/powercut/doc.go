// Package powercut is a file system that loses power.
//
// [Mount] shows the files of a folder, the backing folder, at a mount point. What
// programs write there is kept in memory, in two states: what they see, and what a
// disk would have. A write changes only the first. fsync, fdatasync, a write to a
// file opened with O_SYNC or O_DSYNC, and now and then the file system by itself,
// carry it to the second. [FS.Cut] cuts the power: it carries a random part of the
// rest to the disk, gives the backing folder the files of the disk, and from then on
// every operation of the mounted file system fails with EIO, so that programs that
// still run repair nothing. After [FS.Close] the backing folder is what a machine
// finds after the power came back.
//
// # Data
//
// The data of a file, and its size, are durable after fsync or fdatasync of that
// file. Of the rest each page of 4096 bytes is kept, lost, or torn, independently of
// the others: a later write can be kept while an earlier one is lost. Of a torn page
// each sector of 512 bytes is the old or the new one; a sector is never torn. A page
// can also be carried to the disk between two writes to it, so that the disk has a
// state which no longer is. Where a file grew, pages that were lost before one that
// was kept are zeros. A truncation is lost or kept, and is kept if a page that was
// written after it is.
//
// # Names
//
// [Options.Names] says when a creation, a link, a rename or a removal is durable. By
// default it is after fsync of the folder whose entry it is, and not before: that is
// what POSIX promises. [ByJournal] is what ext4 and XFS do: fsync of a file or a
// folder commits all earlier changes of names up to its own. An operation is never
// kept in part, also a rename from one folder to another. Operations that are older
// than [Options.CommitInterval] are durable, as ext4 commits its journal every 5
// seconds.
//
// # What is not modeled
//
//   - Permissions, owners and times are durable at once, or lost with the file.
//   - A disk that lies: what was synced stays. There is no bit rot, and a sector is
//     written whole.
//   - fsync that fails once and then succeeds. Here it fails only after the cut.
//   - Appends in ext4 appear in the order of the file. Here a hole can be left.
//   - The kernel's page cache answers reads of what it holds after the cut too. No
//     write gets through.
//   - sync, syncfs and sync_file_range make nothing durable: the kernel does not
//     hand them to a file system in user space.
//
// # What works
//
// Shared memory maps, locks by fcntl and flock (the kernel keeps them), hard and
// symbolic links, fallocate without holes, files that are removed while open.
// Sockets, pipes, extended attributes and copy_file_range are refused. All files are
// kept in memory.
//
// The process that mounts must not map files of the mount point into memory, nor
// start programs in a folder of it: a page fault that this process has to answer can
// stop it for good. Run the programs under test in processes of their own.
package powercut
