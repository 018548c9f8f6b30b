/* Error codes shared by every layer.
 *
 * A function that can fail for more than one reason returns `int`: Q_OK (zero) or one of the
 * negative codes below. The list is an X-macro so that the code, its name and its text can never
 * drift apart: add a row and err_text() knows about it.
 */
#ifndef Q_BASE_ERR_H
#define Q_BASE_ERR_H

#define Q_ERR_MAP(X)                                                                               \
    X(Q_ENOMEM, -1, "out of memory")                                                               \
    X(Q_EINVAL, -2, "invalid argument")                                                            \
    X(Q_ENOTFOUND, -3, "not found")                                                                \
    X(Q_ENOTLEADER, -4, "this node is not the leader")                                             \
    X(Q_EUNAVAILABLE, -5, "not enough replicas answered")                                          \
    X(Q_EUNKNOWN, -6, "outcome unknown: it may or may not take effect")                            \
    X(Q_ECORRUPT, -7, "stored data failed its checksum")                                           \
    X(Q_ETOOBIG, -8, "exceeds a limit")                                                            \
    X(Q_EIO, -9, "storage or network error")                                                       \
    X(Q_ENOSPC, -10, "no space left on the device")                                                \
    X(Q_EBUSY, -11, "too much work queued; try again later")                                       \
    X(Q_EAGAIN, -12, "more input is needed")                                                       \
    X(Q_EPROTO, -13, "malformed input")                                                            \
    X(Q_EEXIST, -14, "exists already")                                                             \
    X(Q_ELOCKED, -15, "locked by another process")                                                 \
    X(Q_ESTALE, -16, "older than what was promised from it")

enum err {
    Q_OK = 0,
#define X(name, code, text) name = (code),
    Q_ERR_MAP(X)
#undef X
};

/* Returns a static string, never NULL, for logs and client replies. */
const char *err_text(int err);

#endif
