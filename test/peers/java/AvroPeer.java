import java.io.File;
import java.net.InetSocketAddress;
import java.net.URL;
import java.util.List;
import java.util.StringJoiner;
import org.apache.avro.AvroRemoteException;
import org.apache.avro.Protocol;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.ipc.HttpTransceiver;
import org.apache.avro.ipc.Transceiver;
import org.apache.avro.ipc.generic.GenericRequestor;
import org.apache.avro.ipc.netty.NettyTransceiver;

/**
 * geo.v1.Cities by Avro's own library for Java: {@code AvroPeer AVPR PORT netty|http PATH} makes the calls and prints what
 * it was told as JSON.
 */
public final class AvroPeer {
    private final GenericRequestor requestor;
    private final Protocol protocol;

    private AvroPeer(Protocol protocol, Transceiver transceiver) throws Exception {
        this.protocol = protocol;
        this.requestor = new GenericRequestor(protocol, transceiver);
    }

    private Object call(String name, Object... fields) throws Exception {
        Schema schema = protocol.getMessages().get(name).getRequest();
        GenericRecord request = new GenericData.Record(schema);
        for (int i = 0; i < fields.length; i++) {
            request.put(i, fields[i]);
        }
        return requestor.request(name, request);
    }

    private String converse() throws Exception {
        List<?> cities = (List<?>) ((GenericRecord) call("search", "b", 3)).get("cities");
        StringJoiner names = new StringJoiner("\",\"", "[\"", "\"]");
        for (Object city : cities) {
            names.add(((GenericRecord) city).get("name").toString());
        }
        Object saved = ((GenericRecord) call("saveFavourite", "ada", 3)).get("favouriteId");
        Object missing;
        try {
            call("saveFavourite", "ada", 99);
            throw new IllegalStateException("the call should have failed");
        } catch (AvroRemoteException error) {
            missing = ((GenericRecord) error.getValue()).get("cityId");
        }
        return "{\"search\":" + names + ",\"favouriteId\":" + saved + ",\"error\":{\"cityId\":" + missing + "}}";
    }

    public static void main(String[] args) throws Exception {
        Protocol protocol = Protocol.parse(new File(args[0]));
        int port = Integer.parseInt(args[1]);
        Transceiver transceiver = args[2].equals("netty")
            ? new NettyTransceiver(new InetSocketAddress("127.0.0.1", port))
            : new HttpTransceiver(new URL("http://127.0.0.1:" + port + args[3]));
        System.out.println(new AvroPeer(protocol, transceiver).converse());
        // Netty's threads may outlive the connection.
        System.exit(0);
    }
}
