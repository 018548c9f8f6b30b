/* Cuts the power of a filesystem: power_cut MOUNTPOINT.
 *
 * EXT4_IOC_SHUTDOWN without flushing the journal makes ext4 drop everything that was not on the
 * device and refuse all further work, which is what a machine that loses power leaves behind. Needs
 * root. Meant for loop-mounted test images only: it refuses the root filesystem. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* From the kernel's fs/ext4/ext4.h; not part of its exported headers. */
#define EXT4_SHUTDOWN             _IOR('X', 125, uint32_t)
#define EXT4_SHUTDOWN_NO_LOGFLUSH 2

int main(int argc, char **argv)
{
    struct stat root;
    struct stat wanted;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: power_cut MOUNTPOINT\n");
        return 2;
    }
    if (stat("/", &root) != 0 || stat(argv[1], &wanted) != 0 || root.st_dev == wanted.st_dev) {
        (void)fprintf(stderr, "power_cut: %s is not a filesystem of its own\n", argv[1]);
        return 1;
    }
    const int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        perror(argv[1]);
        return 1;
    }
    uint32_t how = EXT4_SHUTDOWN_NO_LOGFLUSH;
    const int result = ioctl(fd, EXT4_SHUTDOWN, &how);
    if (result != 0) {
        perror("EXT4_IOC_SHUTDOWN");
    }
    (void)close(fd);
    return result == 0 ? 0 : 1;
}
