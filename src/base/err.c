#include "base/err.h"

const char *err_text(int err)
{
    switch (err) {
    case Q_OK: return "ok";
#define X(name, code, text)                                                                        \
    case code: return text;
        Q_ERR_MAP(X)
#undef X
    default: return "unknown error";
    }
}
