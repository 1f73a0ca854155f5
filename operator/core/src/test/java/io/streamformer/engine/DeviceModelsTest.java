package io.streamformer.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.streamformer.bundle.Bundle;
import io.streamformer.bundle.BundleException;
import io.streamformer.inference.Device;
import io.streamformer.inference.DeviceUnavailableException;
import io.streamformer.options.Options;
import io.streamformer.testing.FakeEngine;
import io.streamformer.testing.TestBundle;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeviceModelsTest {

    @TempDir private Path temp;

    private final FakeEngine cpu = FakeEngine.classifier(0, 1);

    @Test
    void autoTakesTheGpusThatWorkAndNoCpuBesides() {
        Device two = new Device(Device.Provider.CUDA, java.util.List.of(0, 1), false);
        assertThat(loaded(two, null, cpu.withGpus(0, 1)))
                .containsExactly("fp32 cuda:0", "fp32 cuda:1");
        assertThat(loaded(two, null, cpu.withGpus(1))).containsExactly("fp32 cuda:1");
        assertThat(loaded(two, null, cpu)).containsExactly("int8 cpu");
    }

    @Test
    void aGpuThatIsNamedMustWork() {
        FakeEngine one = cpu.withGpus(0);
        assertThatThrownBy(() -> open(Device.parse("cuda:0,1"), null, one).close())
                .isInstanceOf(DeviceUnavailableException.class)
                .hasMessageContaining("cuda:1");
        assertThat(one.open()).isZero();
    }

    @Test
    void aGpuRunsNoInt8() {
        FakeEngine gpu = cpu.withGpus(0);
        assertThatThrownBy(() -> open(Device.cuda(0), "int8", gpu).close())
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("a GPU runs the variant fp16 or fp32")
                .hasMessageContaining("the variant int8");
        assertThat(loaded(Device.AUTO, "int8", gpu)).containsExactly("int8 cpu");
        assertThat(loaded(Device.AUTO, "fp32", cpu.withGpus(0))).containsExactly("fp32 cuda:0");
    }

    @Test
    void theManifestMayNameTheVariantOfAGpu() {
        Bundle named =
                Bundle.read(
                        TestBundle.copyOf(TestBundle.SENTIMENT, temp)
                                .manifest(m -> m.put("default_gpu_variant", "fp32"))
                                .folder());
        assertThat(named.manifest().gpuVariant()).contains("fp32");
        Path wrong =
                TestBundle.copyOf(TestBundle.SENTIMENT, temp.resolve("wrong"))
                        .manifest(m -> m.put("default_gpu_variant", "int8"))
                        .folder();
        assertThatThrownBy(() -> Bundle.read(wrong))
                .isInstanceOf(BundleException.class)
                .hasMessageContaining("default_gpu_variant");
    }

    private static java.util.List<String> loaded(Device device, String variant, FakeEngine engine) {
        int before = engine.loaded.size();
        open(device, variant, engine).close();
        assertThat(engine.open()).isZero();
        return engine.loaded.subList(before, engine.loaded.size());
    }

    private static DeviceModels open(Device device, String variant, FakeEngine engine) {
        Bundle bundle = Bundle.read(TestBundle.resource(TestBundle.SENTIMENT));
        Options options =
                Options.DEFAULTS
                        .with(ModelOptions.DEVICE, device)
                        .with(ModelOptions.VARIANT, variant);
        return DeviceModels.open(bundle, options, engine);
    }
}
