import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes the soak's events, several hundred thousand a second; an event depends on its number alone.
 *
 * <p>Run from its source with the broker's own libraries: {@code java -cp 'kafka/*' SoakProducer.java}
 * followed by the arguments of {@code main}. Three shares of a million are a distribution whatever
 * is drawn; models that drift swap two of them.
 */
public final class SoakProducer {
    private static final String[] PLANS = {"single", "family", "team", "none"};

    private final Map<String, String> arguments;

    private SoakProducer(String[] pairs) {
        arguments = new java.util.HashMap<>();
        for (String pair : pairs) {
            String[] parts = pair.split("=", 2);
            arguments.put(parts[0], parts[1]);
        }
    }

    private long number(String name) {
        return Long.parseLong(arguments.get(name));
    }

    public static void main(String[] pairs) {
        new SoakProducer(pairs).write();
    }

    private void write() {
        int nModels = (int) number("n_models");
        long perPane = number("events_per_pane") * nModels;
        long firstDrifting = nModels - number("n_drifting");
        long silentFrom = number("silent_from");
        boolean isNamed = number("named") == 1;
        int[] turns = turns();
        byte[][] keys = new byte[nModels][];
        for (int model = 0; model < nModels; model++) {
            keys[model] = String.format("model-%04d", model).getBytes(StandardCharsets.UTF_8);
        }
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            for (long place = 0; place < number("n_events"); place++) {
                long id = disordered(place, number("disorder_events"));
                int model = (int) (id % nModels);
                boolean drifts = id / (perPane * number("drift_panes")) % 2 == 1;
                int partition = turns[(int) (id / nModels % turns.length)];
                // The last partition falls silent; the first takes its share.
                if (id >= silentFrom && partition == turns[turns.length - 1]) {
                    partition = 0;
                }
                long timeMs = number("start_ms") + id * number("width_ms") / perPane;
                boolean isShifted = model >= firstDrifting && drifts;
                byte[] value = isNamed ? named(id, isShifted) : value(id, isShifted);
                producer.send(
                        new ProducerRecord<>(
                                arguments.get("topic"), partition, timeMs, keys[model], value));
            }
        }
    }

    private KafkaProducer<byte[], byte[]> producer() {
        return new KafkaProducer<>(
                Map.of(
                        "bootstrap.servers", arguments.get("servers"),
                        "linger.ms", "50",
                        "batch.size", "200000"),
                new ByteArraySerializer(),
                new ByteArraySerializer());
    }

    /** In each stretch of this many events, which no factor of 1009 divides, all are mixed. */
    private static long disordered(long place, long stretch) {
        return place - place % stretch + place % stretch * 1009 % stretch;
    }

    /** The partitions in turn, each as often as its weight says: {@code weights=8,4,2,1}. */
    private int[] turns() {
        int[] weights =
                Arrays.stream(arguments.get("weights").split(",")).mapToInt(Integer::parseInt)
                        .toArray();
        int[] turns = new int[Arrays.stream(weights).sum()];
        int end = 0;
        for (int partition = 0; partition < weights.length; partition++) {
            Arrays.fill(turns, end, end += weights[partition], partition);
        }
        return turns;
    }

    private static byte[] value(long id, boolean isShifted) {
        SplittableRandom random = new SplittableRandom(id);
        int first = 1 + random.nextInt(499_999);
        int second = 1 + random.nextInt(499_999);
        int third = 1_000_000 - first - second;
        StringBuilder json = new StringBuilder(128);
        json.append("{\"schema_version\":1,\"event_id\":\"").append(id).append("\",\"features\":[");
        millionths(json, random.nextInt(1_000_000)).append(',');
        millionths(json, random.nextInt(1_000_000)).append("],\"outputs\":[");
        millionths(json, isShifted ? third : first).append(',');
        millionths(json, second).append(',');
        millionths(json, isShifted ? first : third).append("]}");
        return json.toString().getBytes(StandardCharsets.ISO_8859_1);
    }

    /** Columns have names, and one is a category whose shares change where the model drifts. */
    private static byte[] named(long id, boolean isShifted) {
        SplittableRandom random = new SplittableRandom(id);
        int first = 1 + random.nextInt(499_999);
        int second = 1 + random.nextInt(499_999);
        int third = 1_000_000 - first - second;
        int plan = random.nextInt(isShifted ? PLANS.length - 1 : PLANS.length);
        StringBuilder json = new StringBuilder(160);
        json.append("{\"schema_version\":1,\"event_id\":\"").append(id);
        json.append("\",\"features\":{\"amount\":");
        millionths(json, random.nextInt(1_000_000));
        json.append(",\"plan\":\"").append(PLANS[plan]).append("\"},\"outputs\":{\"shares\":[");
        millionths(json, isShifted ? third : first).append(',');
        millionths(json, second).append(',');
        millionths(json, isShifted ? first : third).append("]}}");
        return json.toString().getBytes(StandardCharsets.ISO_8859_1);
    }

    private static StringBuilder millionths(StringBuilder json, int number) {
        String digits = Integer.toString(number);
        return json.append("0.").append("000000", 0, 6 - digits.length()).append(digits);
    }
}
