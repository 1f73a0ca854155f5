/*
 * A libonnxruntime.so for Java's binding of one release that runs on natives of a later one.
 *
 * Why: the newest onnxruntime_gpu of Maven Central needs CUDA 12, and machines with CUDA 13 have
 * the natives of PyPI's onnxruntime-gpu. ONNX Runtime's C API is backward compatible, but the
 * binding's JNI library asks for the ELF symbol version of its own release (VERS_1.28.0), which
 * natives of another release do not have. This library exports the two functions that the binding
 * links to under that version, and passes them on to real/libonnxruntime.so beside it. Everything
 * else goes through the table of functions that OrtGetApiBase returns.
 *
 * The providers lie in real/ too: ONNX Runtime looks for them beside itself.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *function(const char *name) {
    static void *library;
    if (library == NULL) {
        Dl_info self;
        char path[PATH_MAX];
        char real[PATH_MAX + 32];
        if (dladdr((void *)function, &self) == 0) {
            fprintf(stderr, "ort_release_shim: cannot tell where this library is\n");
            abort();
        }
        snprintf(path, sizeof path, "%s", self.dli_fname);
        snprintf(real, sizeof real, "%s/real/libonnxruntime.so", dirname(path));
        library = dlopen(real, RTLD_NOW | RTLD_LOCAL);
        if (library == NULL) {
            fprintf(stderr, "ort_release_shim: %s\n", dlerror());
            abort();
        }
    }
    void *found = dlsym(library, name);
    if (found == NULL) {
        fprintf(stderr, "ort_release_shim: %s\n", dlerror());
        abort();
    }
    return found;
}

const void *OrtGetApiBase(void) {
    return ((const void *(*)(void))function("OrtGetApiBase"))();
}

void *OrtSessionOptionsAppendExecutionProvider_CPU(void *options, int use_arena) {
    void *(*append)(void *, int) = function("OrtSessionOptionsAppendExecutionProvider_CPU");
    return append(options, use_arena);
}

void *OrtSessionOptionsAppendExecutionProvider_CUDA(void *options, int device) {
    void *(*append)(void *, int) = function("OrtSessionOptionsAppendExecutionProvider_CUDA");
    return append(options, device);
}

void *OrtSessionOptionsAppendExecutionProvider_Tensorrt(void *options, int device) {
    void *(*append)(void *, int) = function("OrtSessionOptionsAppendExecutionProvider_Tensorrt");
    return append(options, device);
}
