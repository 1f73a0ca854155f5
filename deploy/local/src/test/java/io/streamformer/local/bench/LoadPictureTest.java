package io.streamformer.local.bench;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.ByteArrayInputStream;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;

class LoadPictureTest {

    private final LoadCurve curve =
            new LoadCurve(
                    "sentiment-en 1.0.0<&> int8",
                    2_000,
                    13,
                    List.of(point(0.25, 8, 20), point(0.5, 10, 26), point(0.9, 60, 400)));

    private static LoadPoint point(double load, double p50, double p99) {
        return new LoadPoint(
                load, false, load * 2_000, load * 2_000, p50, p99, p99, DeviceWork.NONE);
    }

    @Test
    void drawsEveryPointOfEveryCurve() throws Exception {
        String svg = LoadPicture.svg(List.of(curve, curve));
        Document document =
                DocumentBuilderFactory.newInstance()
                        .newDocumentBuilder()
                        .parse(new ByteArrayInputStream(svg.getBytes(UTF_8)));
        // Three points, in throughput, p50 and p99, for two bundles.
        assertThat(document.getElementsByTagName("circle").getLength()).isEqualTo(18);
        assertThat(document.getDocumentElement().getTextContent())
                .contains(curve.bundle(), "p50", "p99", "one full batch");
        assertThat(svg).doesNotContain("NaN").doesNotContain("Infinity");
    }

    @Test
    void comparesTheLatencyAtHalfTheLoadWithOneFullBatch() {
        assertThat(curve.atHalf().load()).isEqualTo(0.5);
        assertThat(curve.p99InFullBatches()).isEqualTo(2, within(1e-9));
        assertThat(LoadCurve.half(List.of(0.2, 0.6, 0.9))).isEqualTo(0.6);
    }
}
